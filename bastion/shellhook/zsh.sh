# The hook of a zsh: the start-up file .zshenv of a directory that exists only until it is read.
# Before each list of commands, with its aliases put in, it asks the bastion through the terminal.
zmodload zsh/files 2>/dev/null && zf_rm -f -- "$ZDOTDIR/.zshenv" && zf_rmdir -- "$ZDOTDIR" || command rm -rf -- "$ZDOTDIR"
if [[ -n $__bastion_zdotdir ]]; then ZDOTDIR=$__bastion_zdotdir; else unset ZDOTDIR; fi
unset __bastion_zdotdir
[[ -r ${ZDOTDIR-$HOME}/.zshenv ]] && source "${ZDOTDIR-$HOME}/.zshenv"

__bastion_say() {
  builtin printf '\e]5379;%s;%s\e\\' "$__bastion_token" "$1" >/dev/tty
}

# Ask; true if the answer is yes. What was typed ahead comes in front of the answer, and is handed back.
__bastion_ask() {
  emulate -L zsh
  local part answer challenge=$RANDOM$RANDOM$RANDOM IFS=
  part=$'\e]5379;'"$__bastion_token;$1;$challenge;${(qqqq)2};${(qqqq)3}"$'\e\\'
  until [[ $answer == *"$__bastion_token;$challenge;"[yn]$'\036' ]]; do
    builtin read -r -s -d $'\036' "part?$part" </dev/tty 2>/dev/tty || return 1
    answer+=$part$'\036' part=
  done
  part=${answer%"$__bastion_token;$challenge;"?$'\036'}
  __bastion_say "ahead;$challenge;${(qqqq)part}"
  [[ $answer == *y$'\036' ]]
}

__bastion_preexec() {
  emulate -L zsh
  if [[ -n $1 && ${#3} -le 65536 ]]; then __bastion_ask line "$1" "$3"; else __bastion_ask blind; fi ||
    builtin kill -INT $$
}

# Widgets that complete and expand run what stands in the line: not where that could be a command.
__bastion_evaluating=(
  complete-word expand-or-complete expand-or-complete-prefix expand-word list-choices list-expand menu-complete
  menu-expand-or-complete reverse-menu-complete delete-char-or-list _expand_word _expand_alias
)
__bastion_complete() {
  if [[ $WIDGET == delete-char-or-list && $CURSOR -lt $#BUFFER ]]; then zle .delete-char; return; fi
  [[ $BUFFER == *[\(\`]* ]] || zle "__bastion_$WIDGET" -- "$@"
}

__bastion_precmd() {
  emulate -L zsh
  [[ -z $functions[TRAPINT]$(builtin trap) ]] || return 0
  local name
  for name in $__bastion_evaluating; do
    if [[ -n $widgets[$name] && $widgets[$name] != user:__bastion_complete ]]; then
      zle -A "$name" "__bastion_$name"
      zle -N "$name" __bastion_complete
    fi
  done
  preexec_functions=(__bastion_preexec ${preexec_functions:#__bastion_preexec})
  precmd_functions=(${precmd_functions:#__bastion_precmd} __bastion_precmd)
  __bastion_say "prompt;zsh $ZSH_VERSION"
}
precmd_functions=(__bastion_precmd)
readonly __bastion_token
