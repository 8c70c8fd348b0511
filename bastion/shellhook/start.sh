# Runs in the target's /bin/sh, and becomes the user's shell with its hook, as a login shell where that can be.
# sshd shows the message of the day to shells alone, which this is to it no more.
if [ ! -e "$$HOME/.hushlogin" ]; then cat /run/motd.dynamic /etc/motd 2>/dev/null; fi
case $${SHELL##*/} in
bash)
exec "$$SHELL" --rcfile /dev/fd/9 -i 9<<'BASTION_EOF'
__bastion_token=$token
$bash
BASTION_EOF
;;
fish)
hook=$$(cat <<'BASTION_EOF'
set -g __bastion_token $token
$fish
BASTION_EOF
)
exec "$$SHELL" -l -C "$$hook"
;;
zsh)
for base in /dev/shm "$$XDG_RUNTIME_DIR" "$${TMPDIR:-/tmp}"; do
  if [ -d "$$base" ] && folder=$$(mktemp -d "$$base/.bastion.XXXXXXXX" 2>/dev/null); then
    cat >"$$folder/.zshenv" <<'BASTION_EOF'
__bastion_token=$token
$zsh
BASTION_EOF
    export __bastion_zdotdir="$$ZDOTDIR" ZDOTDIR="$$folder"
    exec "$$SHELL" -l
  fi
done
;;
esac
exec "$$SHELL" -l
