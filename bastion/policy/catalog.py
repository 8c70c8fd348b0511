"""What is known of programs' options, for comparing them: other spellings, those with values, subcommands.

A block a program. `_SPELLINGS`: groups of options that mean the same, `r R recursive`. `_VERBS`: programs whose first
operand is a subcommand, with the options that may stand before it, `=` behind those that take the next word.
`_WORDS`: programs whose options are whole words behind one dash, as in `find`. What is missing here costs precision,
never a match: an unknown spelling is compared more widely.
"""

from dataclasses import dataclass
from functools import lru_cache

from bastion.policy.wrapper_table import read_blocks


@dataclass(frozen=True, slots=True)
class Program:
    """What is known of one program's options, names without dashes."""

    synonyms: dict[str, str]
    values: frozenset[str]
    known: frozenset[str]
    verbs: bool = False
    words: bool = False


# What a letter means differs between the subcommands of git, docker and kubectl: it may stand for any of the names
_SPELLINGS = """
rm
    r R recursive | f force | i interactive | I | d dir | v verbose | one-file-system | no-preserve-root |
    preserve-root
cp
    r R recursive | a archive | f force | i interactive | l link | s symbolic-link | n no-clobber | u update
    | v verbose | p preserve | t target-directory | T no-target-directory | b backup | d | H | L dereference
    | P no-dereference | x one-file-system | Z | parents | sparse | reflink | remove-destination |
    strip-trailing-slashes | attributes-only | context | debug
mv
    f force | i interactive | n no-clobber | u update | v verbose | t target-directory | T
    no-target-directory | b backup | Z context | strip-trailing-slashes | exchange | no-copy
chmod
    R recursive | f silent quiet | v verbose | c changes | reference | preserve-root | no-preserve-root
chown
    R recursive | f silent quiet | v verbose | c changes | h no-dereference | dereference | from | reference
    | H | L | P | preserve-root | no-preserve-root
chgrp
    R recursive | f silent quiet | v verbose | c changes | h no-dereference | dereference | reference | H |
    L | P | preserve-root | no-preserve-root
ln
    s symbolic | f force | n no-dereference | v verbose | b backup | t target-directory | T
    no-target-directory | r relative | i interactive | L logical | P physical | S suffix | d F directory
shred
    f force | n iterations | s size | u | remove | v verbose | x exact | z zero | random-source
grep
    r recursive | R dereference-recursive | i ignore-case | v invert-match | E extended-regexp | F
    fixed-strings | P perl-regexp | e regexp | f file | l files-with-matches | c count | n line-number | o
    only-matching | q quiet silent | w word-regexp | x line-regexp | A after-context | B before-context | C
    context | m max-count | h no-filename | H with-filename | s no-messages | z null-data | a text | include
    | exclude | exclude-dir | color colour
tar
    c create | x extract get | t list | f file | z gzip gunzip ungzip | j bzip2 | J xz | v verbose | C
    directory | p preserve-permissions same-permissions | P absolute-names | r append | u update | k
    keep-old-files | I use-compress-program | O to-stdout | overwrite | exclude | strip-components | delete
    | remove-files | to-command | checkpoint | checkpoint-action | wildcards | a auto-compress | h
    dereference | T files-from | X exclude-from
useradd
    u uid | g gid | G groups | o non-unique | s shell | d home-dir home | m create-home | M no-create-home |
    r system | p password | c comment | e expiredate | f inactive | k skel | N no-user-group | U user-group
    | b base-dir | D defaults | l no-log-init | R root | P prefix
usermod
    a append | G groups | g gid | u uid | o non-unique | s shell | d home | m move-home | L lock | U unlock
    | p password | c comment | e expiredate | f inactive | l login | R root
userdel
    r remove | f force | R root | Z selinux-user
passwd
    l lock | u unlock | d delete | e expire | S status | a all | n mindays | x maxdays | w warndays | i
    inactive | q quiet | k keep-tokens | stdin
crontab
    r | l | e | u | i | n | T
dd
mount
    a all | o options | t types | r read-only | w rw read-write | B bind | R rbind | M move | v verbose | n
    no-mtab | L label | U uuid | f fake | N namespace | T fstab | l show-labels | O test-opts
umount
    a all | f force | l lazy | R recursive | r read-only | t types | v verbose | n no-mtab | A all-targets |
    d detach-loop | O test-opts
kill
    s signal | l list | L table | 9 | n
pkill
    f full | u euid | U uid | x exact | n newest | o oldest | 9 | signal | P parent | t terminal | g pgroup
    | v inverse | i ignore-case | e echo | c count
killall
    s signal | u user | 9 | e exact | r regexp | i interactive | q quiet | v verbose | w wait | g
    process-group | I ignore-case | o older-than | y younger-than
iptables
    F flush | X delete-chain | P policy | A append | D delete | I insert | R replace | L list | S list-rules
    | N new-chain | t table | j jump | p proto protocol | s src source | d dst destination | i in-interface
    | o out-interface | m match | Z zero | n numeric | v verbose | w wait | dport destination-port | sport
    source-port | state | line-numbers
curl
    d data | F form | T upload-file | X request | o output | O remote-name | H header | u user | k insecure
    | L location | s silent | S show-error | f fail | I head | x proxy | b cookie | c cookie-jar | A
    user-agent | e referer | K config | m max-time | v verbose | i include | w write-out | G get | j |
    data-binary | data-raw | data-urlencode | json | url-query | connect-timeout | retry | cacert | cert E |
    key | create-dirs | compressed | N no-buffer | n netrc | r range | z time-cond | C continue-at | 4 ipv4
    | 6 ipv6 | g globoff | fail-with-body | resolve | unix-socket | url | parallel Z | progress-bar |
    max-redirs | oauth2-bearer | stderr | trace | D dump-header | R remote-time | J remote-header-name | p
    proxytunnel | q disable | t telnet-option | Q quote | y speed-time | Y speed-limit | l list-only | a
    append | B use-ascii | E cert | M manual | P ftp-port | V version | h help | U proxy-user
wget
    O output-document | q quiet | post-data | post-file | method | body-data | body-file | P
    directory-prefix | r recursive | i input-file | header | c continue | N timestamping | e execute | o
    output-file | a append-output | v verbose | nv no-verbose | t tries | T timeout | w wait | S
    server-response | U user-agent | A accept | R reject | D domains | np no-parent | m mirror | k
    convert-links | l level | L relative | x force-directories | nd no-directories | b background | user |
    password | no-check-certificate | use-askpass
rsync
    r recursive | a archive | v verbose | z compress | n dry-run | e rsh | delete | del | delete-before |
    delete-after | delete-during | delete-excluded | exclude | include | u update | P | p perms | progress |
    remove-source-files | rsync-path | f filter | o owner | g group | t times | l links | H hard-links | A
    acls | X xattrs | W whole-file | x one-file-system | b backup | c checksum | i itemize-changes | q quiet
    | R relative | S sparse | h human-readable | stats | bwlimit | partial | inplace | max-delete |
    files-from | exclude-from | include-from | info | chmod | chown | numeric-ids | timeout | password-file
    | port | log-file | mkpath | ignore-existing | existing | size-only | force | contimeout | temp-dir T |
    compare-dest | copy-dest | link-dest | L copy-links | k copy-dirlinks | K keep-dirlinks | d dirs | D | 0
    from0 | 4 ipv4 | 6 ipv6 | y fuzzy | J omit-link-times | O omit-dir-times | E executability | C
    cvs-exclude | F | I ignore-times | M remote-option | s protect-args secluded-args | 8 8-bit-output | B
    block-size | U atimes | N crtimes
git
    f force | d delete | a all | u set-upstream | q quiet | v verbose | n dry-run | m message | p patch
docker
    f force | v volume | e env | p publish | d detach | i interactive | t tty | u user | w workdir | a all | q quiet
kubectl
    f filename | n namespace | l selector | o output | k kustomize | A all-namespaces | R recursive | w watch
    | c container | i stdin | t tty | p patch | e env
systemctl
    f force | q quiet | a all | l full | t type | s signal | n lines | r recursive
apt
    y yes assume-yes | q quiet | s simulate dry-run just-print | d download-only | f fix-broken | m ignore-missing
helm
    n namespace | f values | i install | a atomic
npm
    g global | D save-dev | f force | w workspace
zfs
    r | R | f
"""

_VERBS = """
git
    C= c= git-dir= work-tree= namespace= exec-path= super-prefix= config-env= no-pager p paginate bare
    no-replace-objects literal-pathspecs glob-pathspecs noglob-pathspecs icase-pathspecs no-optional-locks
    no-lazy-fetch P
kubectl
    n= namespace= context= cluster= kubeconfig= s= server= user= as= as-group= as-uid= token= v= cache-dir=
    request-timeout= insecure-skip-tls-verify match-server-version disable-compression warnings-as-errors
docker
    H= host= c= context= l= log-level= config= tlscacert= tlscert= tlskey= D debug tls tlsverify
helm
    n= namespace= kube-context= kubeconfig= debug
systemctl
    H= host= M= machine= t= type= p= property= state= s= signal= n= lines= o= output= root= job-mode=
    kill-who= what= no-pager user system q quiet now a all l full no-legend no-block f force r recursive
    runtime plain reverse no-ask-password no-reload with-dependencies legend
apt
    o= option= c= config-file= t= target-release= a= y yes assume-yes q qq quiet s simulate dry-run
    no-install-recommends f fix-broken m d download-only purge allow-downgrades V u
aws
    profile= region= output= endpoint-url= query= color= ca-bundle= cli-read-timeout= cli-connect-timeout=
    debug no-verify-ssl no-paginate no-cli-pager no-sign-request
gcloud
    project= account= configuration= format= verbosity= impersonate-service-account= billing-project=
    filter= flags-file= q quiet
az
    subscription= output= o= query=
terraform
npm
    prefix= C= workspace= w= registry= g global s silent
pip
    proxy= timeout= log= retries= cert= client-cert= cache-dir= q quiet v verbose isolated no-input
    disable-pip-version-check no-cache-dir
service
ip
    n= netns= family= f= 4 6 s j json p pretty br brief c color o oneline d details statistics
ufw
nft
    f= file= I= includepath= D= define=
zfs
zpool
lvm
redis-cli
vault
etcdctl
    endpoints= cert= key= cacert= user= password=
brew
cargo
    C= config= Z= color= q quiet v verbose offline locked frozen
go
    C=
gh
    R= repo=
snap
dnf
    c= config= x= exclude= enablerepo= disablerepo= releasever= installroot= y assumeyes q quiet v verbose b
    best C cacheonly
yum
    c= config= x= exclude= enablerepo= disablerepo= releasever= installroot= y assumeyes q quiet v verbose C
    cacheonly
apk
    p= root= X= repository=
"""

_SAME = {
    "oc": "kubectl", "k": "kubectl", "podman": "docker", "nerdctl": "docker", "apt-get": "apt", "aptitude": "apt",
    "ip6tables": "iptables", "egrep": "grep", "fgrep": "grep", "pip3": "pip", "pnpm": "npm", "yarn": "npm",
    "tofu": "terraform", "sshfs": "ssh",
}  # fmt: skip
_WORDS = frozenset(
    {"find", "terraform", "tofu", "java", "openssl", "ffmpeg", "convert", "magick", "xinput", "xrandr", "ip", "tc"}
    | {"go", "aireplay-ng", "qemu-system-x86_64", "dig", "screen", "dotnet", "ipmitool", "megacli", "storcli"}
)


_SPELLED = read_blocks(_SPELLINGS)
_WITH_VERBS = read_blocks(_VERBS)


@lru_cache(maxsize=1024)
def program(name: str) -> Program | None:
    """Return what is known of a program's options, by its base name."""
    base = _SAME.get(name, name)
    if base not in _SPELLED and base not in _WITH_VERBS and base not in _WORDS:
        return None
    synonyms: dict[str, str] = {}
    for group in _SPELLED.get(base, ([], ""))[1].split("|"):
        names = group.split()
        for other in names:
            synonyms[other] = names[0]
    listed = _WITH_VERBS.get(base, ([], ""))[1].split()
    values = frozenset(item[:-1] for item in listed if item.endswith("="))
    known = frozenset(synonyms) | frozenset(item.removesuffix("=") for item in listed)
    return Program(synonyms, values, known, base in _WITH_VERBS, base in _WORDS)
