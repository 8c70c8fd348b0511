# The hook of a fish (3.4 or newer), given to it as a command to run first. A fish can't stop what it was told to
# execute: so Enter asks before it does, and whatever comes to be executed otherwise ends the shell before it runs.

function __bastion_say
    printf '\e]5379;%s;%s\e\\' $__bastion_token $argv[1] >/dev/tty
end

function __bastion_quote
    printf "\$'%s'" (string escape --style=url -- "$argv[1]" | string replace -a % '\\x' | string collect)
end

# Ask; true if the answer is yes. /bin/sh reads it, and hands back what was typed ahead of it.
function __bastion_ask
    set -l challenge (random)(random)(random)
    set -l text (__bastion_quote $argv[2])
    test (string length -- "$argv[2]") -gt 65536; and set argv[1] blind; and set text ''
    /bin/sh -c $__bastion_reader sh $__bastion_token $challenge "$argv[1];$challenge;$text" </dev/tty
end
set -g __bastion_reader '
    before=$(stty -g); stty -icanon -echo -isig min 1 time 0
    printf "\033]5379;%s;%s\033\134" "$1" "$3" >/dev/tty
    answer=
    while :; do
        part=$(dd bs=65536 count=1 2>/dev/null; echo .); part=${part%.}
        [ -n "$part" ] || exit 1
        answer=$answer$part
        case $answer in *"$1;$2;"[yn]"$(printf "\036")") break ;; esac
    done
    stty "$before"
    ahead=$(printf %s "${answer%"$1;$2;"*}" | od -An -v -to1)
    [ -z "$ahead" ] || ahead=$(printf "\134%s" $ahead)
    printf "\033]5379;%s;ahead;%s;$\047%s\047\033\134" "$1" "$2" "$ahead" >/dev/tty
    case $answer in *"$1;$2;y"?) exit 0 ;; *) exit 1 ;; esac
'

function __bastion_enter
    set -l token (commandline -t)
    set -l known (abbr --show | string match -r -- '^abbr -a.* -- '(string escape --style=regex -- "$token")' (.*)$')
    if test -n "$token" -a "$token" = (string trim -- (commandline -p)); and set -q known[2]
        commandline -t -- (string unescape -- $known[2])
    end
    set -l text (commandline -b | string collect)
    if test -z (string trim -- "$text" | string collect)
        commandline -f execute
        return
    end
    commandline --is-valid
    set -l valid $status
    if test $valid -ne 0
        commandline -f execute # fish says what is wrong, or goes on in a further line
    else if __bastion_ask line $text
        set -g __bastion_allowed (string trim -- $text | string collect)
        commandline -f execute
    else
        commandline -f cancel-commandline
    end
end

function __bastion_preexec --on-event fish_preexec
    if not set -q __bastion_allowed; or test (string trim -- $argv[1] | string collect) != "$__bastion_allowed"
        kill -KILL $fish_pid
    end
    set -e __bastion_allowed
end

function __bastion_prompt --on-event fish_prompt
    for mode in default insert visual replace replace_one paste
        bind -M $mode \r __bastion_enter
        bind -M $mode \n __bastion_enter
    end
    __bastion_say "prompt;fish $version"
end
