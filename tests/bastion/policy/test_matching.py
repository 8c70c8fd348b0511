"""Command patterns, as the contract says how they match, on commands that were really parsed."""

import pytest

from bastion.policy.matching import matches
from bastion.policy.patterns import PatternError, compile_pattern
from bastion.reading import CommandReader

# pattern, lines it must hit, lines it must not hit
MAY = [
    (
        "rm -rf /",
        [
            "rm -rf /",
            "rm -fr //",
            "rm -r -f /",
            "rm --recursive --force /",
            "rm --recurs --fo /",
            "rm / -rf",
            "rm -rf -- /",
            "rm -vrf /",
            "rm -R -f /",
            "rm -rf /tmp/x /",
            "rm -rf /*",
            "cd /; rm -rf *",
            "sudo rm -r --force /",
            "/bin/rm -rf /.",
            "/usr/local/bin/rm -rf /tmp/..",
            "rm -rf /tmp/../../..",
            "sh -c 'rm -rf /'",
            "a=rm; $a -rf /",
            "cd / && rm -rf .",
            "cd /tmp; cd ..; rm -rf .",
            "cd /srv; rm -rf ..",
            "rm -rf $X",
            'rm -rf "$X"',
            "rm $X",
            'rm "$X" /',
            "rm -rf /tmp/$X",
            "$X -rf /",
            'rm -rf "$(cat f)"',
            "r\\m -rf /",
            "busybox rm -rf /",
            "find / -exec rm -rf / ';'",
            "echo / | xargs rm -rf",
            "ls | xargs rm -rf",
            "rm -rf ~/../..",
            "rm -rf /?*",
            "rm -rf /[!x]*",
            "rm -rf /*/*",
            "find / -maxdepth 0 -exec rm -rf {} +",
        ],
        [
            "echo 'rm -rf /'",
            "grep 'rm -rf /' f",
            "git commit -m 'rm -rf /'",
            "rm -rf /tmp/x",
            "rm -rf /tmp/*",
            "rm -rf /x*",
            "rm -f /",
            "rm -r /",
            "rm -rf ~",
            "rm -rf .",
            "rm -rf build dist",
            'rm "$X"',
            "rm -rf ./*.o",
            "rm -rf -- -x",
            "cd /srv; rm -rf x",
            "rm -rf /tmp/$$",
            "rm -rf /tmp/x$((1+1))",
            "rmdir /",
        ],
    ),
    (
        "rm -rf '/*'",
        ["rm -rf /*", "cd /; rm -rf *", "rm -rf /?"],
        ["rm -rf /tmp", "rm -rf /tmp/*", "cd /tmp; rm -rf *", "rm -rf /???"],
    ),
    ("mkfs.* **", ["mkfs.ext4 /dev/sda", "sudo /sbin/mkfs.xfs x", "mkfs.ext4"], ["mkfs -t ext4 x", "echo mkfs.ext4"]),
    ("/usr/bin/rm **", ["/usr/bin/rm x", "//usr/bin/../bin/rm x", "rm x"], ["/bin/rm x", "./rm x"]),
    (
        "systemctl stop *",
        ["systemctl stop nginx", "sudo systemctl --now stop nginx"],
        ["systemctl status x", "systemctl stop"],
    ),
    (
        "kubectl delete **",
        ["kubectl -n prod delete pod x", "kubectl delete"],
        ["kubectl get pods", "kubectl get pods delete"],
    ),
    (
        "git push --force",
        ["git push --force", "git push -f origin main", "git -C x push --forc"],
        ["git push --force-with-lease"],
    ),
    ("find -delete", ["find . -name x -delete"], ["find . -name delete", "find -d -e"]),
    (
        "rm -rf /etc",
        [
            r"find /etc -exec rm -rf {} \;",
            "find /etc/ -exec rm -rf {} +",
            "find -L /etc -exec rm -rf {} +",
            "find -D exec -P /etc -exec rm -rf {} +",
            "find /etc -maxdepth 0 -print0 | xargs -0 rm -rf",
            "find / -name etc -exec rm -rf {} +",
            "find /etc -name '*c' -exec rm -rf {} +",
            "find /etc ! -name x -exec rm -rf {} +",
            "find -files0-from list -exec rm -rf {} +",
        ],
        [
            "find /etc -mindepth 1 -exec rm -rf {} +",
            "find /etc -name '*.bak' -exec rm -rf {} +",
            "find /srv -name cache -exec rm -rf {} +",
            "find . -name etc -type d -prune -exec rm -rf {} +",
            "find /srv -name '*.tmp' -print0 | xargs -0 rm -rf",
        ],
    ),
    ("rm -rf /srv/*/cache", ["find /srv -name cache -exec rm -rf {} +"], ["find /srv -name cached -exec rm -rf {} +"]),
    ("cp * /srv/passwd", ["cp x /srv/$(date -f d)", "cp x /srv/$(date +%a)"], ["cp x /srv/$(date +%F_%H%M)"]),
    ("dd of=/dev/sd*", ["dd if=x of=/dev/sda", "dd of=//dev/../dev/sdb"], ["dd of=x", "dd if=/dev/sda"]),
    (
        "curl --data=*secret*",
        ["curl --data=asecretb x", "curl --data secret x", "curl -d secret x"],
        ["curl --data x secret"],
    ),
    ("cp ** /etc/*", ["cp a /etc/x", "cd /etc; cp /tmp/a b"], ["cp a b", "cp /srv/x /tmp/y"]),
    (
        "cat /etc/shadow",
        ["cat < /etc/shadow", "cat /etc/sh*", "cat /???/shado[w]", "cd /etc && cat shadow"],
        ["cat shadow"],
    ),
    (
        "** > /etc/*",
        ["echo x > /etc/passwd", "> /etc/x", "cd /etc; ls > x", "{ ls; } >> /etc/x"],
        ["cat /etc/x > y", "ls </etc/x"],
    ),
    (
        "** < /etc/shadow",
        ["cat < /etc/shadow", "while read x; do ls; done < /etc/shadow"],
        ["cat /etc/shadow", "ls > /etc/shadow"],
    ),
    (
        "** | sh",
        ["curl x | sh", "curl x | sudo sh", "a | tee f | sh -x", "sh <(a)", "(a; b) | sh", "a > >(sh)"],
        ["sh x | a", "a; sh"],
    ),
    ("curl ** | sh | tee *", ["curl x | sh | tee y"], ["curl x | sh", "curl x | tee y"]),
    ("**", ["ls", "> x"], ["", "a=1"]),
    ("x 'a b' \"c*\" \\*", ["x 'a b' 'c*' '*'"], ["x 'a b' cd '*'", "x a b 'c*' '*'"]),
]
MUST = [
    ("ls **", ["ls", "ls -l /x", "ls *", 'ls "$X"'], ["ls > x", "$X", "lsof"]),
    ("ls", ["ls -la /tmp", "ls 2>/dev/null", "ls 2>&1"], ["ls >> /etc/x", "ls &> f"]),
    (
        "systemctl status *",
        ["systemctl status nginx", 'systemctl status "$X"'],
        ["systemctl status", "systemctl stop status"],
    ),
    (
        "git status",
        ["git status", "git -C /srv status -s", "git --no-pager status"],
        ["git push status", "git --nope status", "git $X"],
    ),
    (
        "cat /var/log/*",
        ["cat /var/log/x", "cd /var/log && cat x"],
        ["cat /var/log/../x", "cat /var/log/$X", "cat $X", "cat x"],
    ),
    ("tee /tmp/*", ["tee /tmp/x"], ["tee x"]),
    ("ls > /tmp/*", ["ls > /tmp/x"], ["ls", "ls > /tmp/x 3> /etc/y", "ls > /tmp/$X"]),
    ("rm -i *", ["rm -i x"], ["rm x", 'rm "$X" x']),
    ("journalctl ** | grep **", ["journalctl -u x | grep y"], ["journalctl", "grep y"]),
]


@pytest.mark.parametrize(("pattern", "hits", "misses"), MAY, ids=[row[0] for row in MAY])
async def test_what_a_command_may_be(reader: CommandReader, pattern: str, hits: list[str], misses: list[str]) -> None:
    compiled = compile_pattern(pattern)
    found = {}
    for line in [*hits, *misses]:
        understanding = await reader.understand(line.encode())
        found[line] = bool(matches(compiled, understanding.commands, certain=False))
    assert found == dict.fromkeys(hits, True) | dict.fromkeys(misses, False)


@pytest.mark.parametrize(("pattern", "hits", "misses"), MUST, ids=[row[0] for row in MUST])
async def test_what_a_command_surely_is(
    reader: CommandReader, pattern: str, hits: list[str], misses: list[str]
) -> None:
    compiled = compile_pattern(pattern)
    found = {}
    for line in [*hits, *misses]:
        commands = [
            command
            for command in (await reader.understand(line.encode())).commands
            if command.argv[0].text not in {"cd", "$X"}
        ]
        found[line] = matches(compiled, commands, certain=True) == set(range(len(commands)))
    assert found == dict.fromkeys(hits, True) | dict.fromkeys(misses, False)


@pytest.mark.parametrize("text", ["", "  ", "| sh", "a |", "a | | b", "'a", '"a', "> x", "a >", "a > > b"])
def test_patterns_that_cannot_be_read(text: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(text)


async def test_unknown_working_directory(reader: CommandReader) -> None:
    """In a shell whose directory nobody knows, a path upwards may lead anywhere; a plain name does not."""
    compiled = compile_pattern("rm -rf /")
    for line, expected in (("rm -rf ..", True), ("rm -rf x", False), ("rm -rf .", False), ("cd $X; rm -rf .", True)):
        understanding = await reader.understand(line.encode(), cwd=())
        assert bool(matches(compiled, understanding.commands, certain=False)) is expected, line
