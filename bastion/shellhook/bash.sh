# The hook of a bash (4.4 or newer): its start-up file, read from a descriptor, so that no file of the target is touched.
# Before each line, and before each command that the line did not show, it asks the bastion through the terminal.
exec 9<&-
[ -r /etc/profile ] && . /etc/profile
for __bastion_text in ~/.bash_profile ~/.bash_login ~/.profile; do
  if [ -r "$__bastion_text" ]; then . "$__bastion_text"; break; fi
done

__bastion_say() {
  builtin printf '\e]5379;%s;%s\e\\' "$__bastion_token" "$1" >/dev/tty
}

# Ask; true if the answer is yes. What was typed ahead comes in front of the answer, and is handed back. `read` itself
# writes the question: by then the terminal echoes no more.
__bastion_ask() {
  local part answer= challenge="${SRANDOM-}$RANDOM$RANDOM" IFS=
  part=$'\e]5379;'"$__bastion_token;$1;$challenge;${2@Q};${3@Q}"$'\e\\'
  until [[ $answer == *"$__bastion_token;$challenge;"[yn]$'\036' ]]; do
    builtin read -r -s -d $'\036' -p "$part" part </dev/tty 2>/dev/tty || return 1
    answer+=$part$'\036' part=
  done
  part=${answer%"$__bastion_token;$challenge;"?$'\036'}
  __bastion_say "ahead;$challenge;${part@Q}"
  [[ $answer == *"y"$'\036' ]]
}

# The aliases whose names stand in a text, as a shell would define them.
__bastion_aliases() {
  local name found= edge='[^[:alnum:]_./-]'
  for name in "${!BASH_ALIASES[@]}"; do
    [[ " $1 " == *$edge"$name"$edge* ]] && found+="alias -- $name=${BASH_ALIASES[$name]@Q}"$'\n'
  done
  builtin printf %s "$found"
}

# PS0: a whole line was read and is about to run. This is a subshell; SIGINT makes the shell give the line up.
__bastion_line() {
  local - entry text
  set +xeu
  entry=$(HISTTIMEFORMAT= \builtin history 1)
  [[ $entry =~ ^\ *([0-9]+)[\ *]\ (.*)$ ]]
  text=${BASH_REMATCH[2]-}
  if [[ -o history && ${BASH_REMATCH[1]-} == "$__bastion_number" && ${#text} -le 65536 ]]; then
    __bastion_ask line "$text" "$(__bastion_aliases "$text")" && return
  else
    __bastion_ask blind && return
  fi
  builtin kill -INT $$
} 2>/dev/null

# DEBUG: a simple command is about to run. Asked about once a line, where the line did not show it. Behind the first
# command of a pipeline the shell has lent the terminal to the pipeline, so that it can't ask; the line was asked about.
__bastion_debug() {
  [[ $BASHPID == $$ && -z $__bastion_prompting ]] || return 0
  if [[ -n ${COMP_LINE-} ]]; then
    [[ $COMP_LINE == *['`(']* ]] && return 2  # completion functions evaluate words: none where a part could run
    return 0
  fi
  [[ ${FUNCNAME[1]-} != __bastion_* && $BASH_COMMAND != __bastion_* ]] || return 0
  local - command=$BASH_COMMAND stat IFS=' '
  set +xeuf
  if (( __bastion_fresh )); then
    __bastion_fresh=0 __bastion_text=" $(HISTTIMEFORMAT= \builtin history 1) "
    __bastion_wrap
  fi
  [[ $__bastion_text == *"$command"* ]] && return 0
  builtin read -r stat <"/proc/$$/stat" || return 0
  stat=(${stat##*) })
  [[ ${stat[2]} == "${stat[5]}" ]] || return 0
  __bastion_ask command "$command" && { __bastion_text+=$'\n'$command; return 0; }
  builtin kill -INT $$
  return 1
} 2>/dev/null

# PROMPT_COMMAND: what stands between first and last was shown when it was put there.
__bastion_first() {
  __bastion_status=$?
  __bastion_prompting=1
  return $__bastion_status
}

__bastion_last() {
  local -
  set +xeu
  __bastion_wrap
  (( __bastion_ran )) && __bastion_forget
  [[ -n ${HISTCONTROL-} ]] && __bastion_control=$HISTCONTROL HISTCONTROL=
  [[ -n ${HISTIGNORE-} ]] && __bastion_ignored=$HISTIGNORE HISTIGNORE=
  __bastion_number=$HISTCMD __bastion_fresh=1 __bastion_ran=0 __bastion_prompting=
  # Where interrupts are caught or ignored, a refused line could run on: no hook then
  [[ $(builtin trap -p INT) == ?('trap -- - '*) ]] && __bastion_say "prompt;bash $BASH_VERSION"
  return $__bastion_status
} 2>/dev/null

# Take the last line out of the history where the user's own settings say so; the hook needs every line in it.
__bastion_forget() {
  local entry=$(HISTTIMEFORMAT= \builtin history 1) pattern drop=
  [[ $entry =~ ^\ *([0-9]+)[\ *]\ (.*)$ ]]
  entry=${BASH_REMATCH[2]}
  [[ $__bastion_control == *ignore@(space|both)* && $entry == ' '* ]] && drop=1
  [[ $__bastion_control == *@(ignoredups|ignoreboth|erasedups)* && $entry == "$__bastion_before" ]] && drop=1
  local IFS=:
  set -f
  for pattern in $__bastion_ignored; do
    [[ $entry == ${pattern//&/"$__bastion_before"} ]] && drop=1
  done
  if [[ $drop ]]; then builtin history -d "${BASH_REMATCH[1]}"; else __bastion_before=$entry; fi
}

# Put the hook back in, whatever a line has changed.
__bastion_wrap() {
  local IFS=$'\n' user
  user="${PROMPT_COMMAND[*]}"
  if [[ $user != "__bastion_first"$'\n'*"__bastion_last" ]]; then
    user=${user//__bastion_first/:}
    unset PROMPT_COMMAND
    PROMPT_COMMAND="__bastion_first"$'\n'"${user//__bastion_last/:}"$'\n'"__bastion_last"
  fi
  PS0='$(__bastion_line)${__bastion_none[__bastion_fresh=1,__bastion_ran=1,__bastion_number=HISTCMD]-}'
  shopt -s extdebug promptvars
  builtin bind -u shell-expand-line  # it runs what the line substitutes
  builtin trap -- "$__bastion_trap" DEBUG
}

if [[ ${BASH_VERSINFO[0]}${BASH_VERSINFO[1]} -ge 44 ]]; then
  shopt -s extglob
  set -o history
  __bastion_trap='if __bastion_debug "$_"; then :; else false; fi'
  __bastion_text= __bastion_fresh=1 __bastion_ran=0 __bastion_number= __bastion_before= __bastion_control= __bastion_ignored= __bastion_prompting=1
  readonly __bastion_token __bastion_trap
  readonly -f $(compgen -A function __bastion_)
  __bastion_wrap
fi
