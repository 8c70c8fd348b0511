"""A throwaway root directory in which a real bash runs any line, with programs that only write down how they ran.

The directory holds bash, dash and a few harmless programs under `/real`; every name on the PATH, and every absolute
path to it, is one recording script, which then goes on to the real program if there is one. Lines run in namespaces
of their own (user, mount, network, processes), so nothing of the machine is in reach.
"""

import shutil
import subprocess
from pathlib import Path

HOME = "/home/deploy"
LIMIT = 10.0  # seconds a line may take

# Programs that really run, because what they start or print decides what runs next
_REAL = """
bash dash env nice nohup timeout setsid stdbuf xargs find cat head tail tr seq base64 wc tee basename dirname true
false printf echo date expr sleep sort uniq cut rev sed mkdir touch mkfifo nproc grep flock test [
"""
# Programs that only leave a trace
_STUBS = """
rm ls cp mv chmod chown dd mkfs.ext4 curl wget git docker kubectl systemctl apt-get python3 perl psql mysql ssh tar
rsync kill pkill reboot shutdown id whoami uname ps df du make npm nc su doas crontab useradd shred vim awk iptables ln
stat hostname journalctl a b c ab x y z foo bar watch sudo busybox sh
"""
_SCRIPT = r"""#!/real/dash
name=${0##*/}
printf '%s\0' "$#" "$name" "$@" >> /log
case $name in
sudo)
    while :; do
        case ${1-} in
        -u | -g | -h | -p | -U | -C | -D | -R | -T | -r | -t) shift 2 ;;
        --) shift; break ;;
        -*) shift ;;
        *=*) export "$1"; shift ;;
        *) break ;;
        esac
    done
    [ $# -gt 0 ] && exec "$@" ;;
busybox) exec "$@" ;;
sh) exec /real/bash "$@" ;;
esac
[ -x "/real/$name" ] && exec "/real/$name" "$@"
exit 0
"""
_INSIDE = 'mount -t proc none "$0/proc"; mount --bind /dev/null "$0/dev/null"; exec chroot "$0" "$@"'
_SPACE = ("unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child")
_VARIABLES = (f"HOME={HOME}", "PATH=/usr/bin:/bin", "USER=deploy", "LOGNAME=deploy", "LC_ALL=C.UTF-8")


class Sandbox:
    """The root directory. `run` returns the argument lists of the programs that a line started."""

    def __init__(self, root: Path) -> None:
        self._root = root
        for folder in ("real", "bin", "usr", "tmp", "home/deploy", "etc", "var/log", "dev", "proc"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for place in ("usr/bin", "usr/sbin", "sbin"):
            (root / place).symlink_to("/bin")
        script = root / "real" / "record"
        script.write_text(_SCRIPT)
        script.chmod(0o755)
        for name in (*_REAL.split(), *_STUBS.split()):
            (root / "bin" / name).symlink_to("/real/record")
        for name in _REAL.split():
            self._install(name)
        (root / "dev" / "null").touch()
        for place, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1")):
            (root / "dev" / place).symlink_to(f"/proc/self/{target}")
        (root / "etc" / "passwd").write_text(f"root:x:0:0:root:{HOME}:/bin/bash\n")

    def _install(self, name: str) -> None:
        path = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
        assert path is not None, f"{name} is not installed"
        shutil.copy(path, self._root / "real" / name)
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        for word in listed.split():
            target = self._root / word[1:]
            if word.startswith("/") and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, target)

    def run(self, line: str, *, shell: str = "bash", stdin: str = "") -> list[list[str]]:
        """Run a line in the home directory and return what ran, the outermost shell left out."""
        for folder in ("tmp", "home/deploy"):
            shutil.rmtree(self._root / folder)
            (self._root / folder).mkdir()
        (self._root / "log").write_bytes(b"")
        (self._root / "home/deploy/f.txt").write_text("alpha beta\n")
        (self._root / "home/deploy/g.log").write_text("gamma\n")
        inside = ["/real/env", "-i", "-C", HOME, *_VARIABLES, f"/real/{shell}", "-c", line]
        command = [*_SPACE, "sh", "-c", _INSIDE, str(self._root), *inside]
        subprocess.run(command, input=stdin.encode(), capture_output=True, timeout=LIMIT, check=False)
        return _runs((self._root / "log").read_bytes())


def _runs(log: bytes) -> list[list[str]]:
    words = log.decode("utf-8", "surrogateescape").split("\0")
    found: list[list[str]] = []
    place = 0
    while place < len(words) - 1:
        end = place + 2 + int(words[place])
        found.append(words[place + 1 : end])
        place = end
    return found
