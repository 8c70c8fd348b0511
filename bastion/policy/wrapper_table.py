"""The wrappers: programs that run another program given as words, and their options. Data, and its reader.

A line without indent names a program and says how it takes its command: `operands=N` words stand before it,
`assigns` lets `NAME=value` words stand there, `joins` gives the joined words to a shell, `no-stdin` keeps the standard
input, `quiet=` lists options with which nothing is run, `code=` those whose value is shell code, `directory=` those
that set the working directory, `loads=` those whose value is loaded as code. The indented lines below are its options,
as `bastion.policy.options` reads them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wrapper:
    """How a program takes the command it runs."""

    options: str
    operands: int = 0
    assigns: bool = False
    joins: bool = False
    stdin: bool = True
    quiet: frozenset[str] = frozenset()
    code: frozenset[str] = frozenset()
    directory: frozenset[str] = frozenset()
    loads: frozenset[str] = frozenset()


_TEXT = """
sudo assigns quiet=K,V,e,edit,help,k,l,list,remove-timestamp,v,validate,version directory=D,chdir
    ABbEHKklNnPSsVvieg:h:p:U:u:C:c:r:t:T:D:R: askpass background bell preserve-env=? edit set-home help
    remove-timestamp reset-timestamp list no-update non-interactive preserve-groups stdin shell version
    validate login group= host= prompt= other-user= user= close-from= role= type= command-timeout= chdir=
    chroot=
doas quiet=C,L
    Lnsa:C:u:
pkexec
    - version help disable-internal-agent keep-cwd user=
nohup
    - help version
nice
    n:0123456789 adjustment= help version
ionice quiet=p,pid
    tc:n:p:P:u: ignore class= classdata= pid= pgid= uid= help version
chrt operands=1 quiet=m,max,p,pid
    abdfimoprvT:P:D:R all-tasks batch deadline fifo idle max other pid rr reset-on-fork verbose
    sched-runtime= sched-period= sched-deadline=
taskset operands=1 quiet=p,pid
    apc all-tasks pid cpu-list help version
timeout operands=1
    fpvk:s: foreground preserve-status verbose kill-after= signal= help version
setsid
    cfw ctty fork wait help version
stdbuf
    i:o:e: input= output= error= help version
time
    apvqVf:o: append portability verbose quiet format= output= help version
chroot operands=1
    - groups= userspec= skip-chdir help version
unshare
    imnpuUCTfrcR:w:S:G: mount=? uts=? ipc=? net=? pid=? user=? cgroup=? time=? fork map-root-user
    map-current-user map-auto mount-proc=? kill-child=? keep-caps propagation= setgroups= root= wd= setuid=
    setgid= map-user= map-group= help version
nsenter
    amuinpCUTFrwWcZt:S:G: all target= mount=? uts=? ipc=? net=? pid=? cgroup=? user=? time=? setuid= setgid=
    preserve-credentials root=? wd=? wdns= no-fork follow-context join-cgroup keep-caps env user-parent help
    version
setpriv quiet=d,dump,list-caps
    - ambient-caps= inh-caps= bounding-set= securebits= ruid= euid= rgid= egid= reuid= regid= clear-groups
    keep-groups init-groups groups= no-new-privs nnp selinux-label= apparmor-profile= pdeathsig= reset-env
    dump list-caps help version
prlimit quiet=p,pid
    o:p: pid= output= noheadings raw verbose core=? data=? nice=? fsize=? sigpending=? memlock=? rss=?
    nofile=? msgqueue=? rtprio=? stack=? cpu=? nproc=? as=? locks=? rttime=? help version
flock operands=1 code=c,command
    eFnosuxc:E:w: exclusive no-fork nonblock nb close shared unlock verbose timeout= wait=
    conflict-exit-code= command= help version
strace quiet=attach,p
    CcdfFhikqrtTvVwxyYzZDnNa:b:e:E:I:o:O:p:P:s:S:u:U:X: follow-forks summary-only summary output= attach=
    trace= help version
ltrace quiet=p
    bcCfhilLrStTVa:A:D:e:F:n:o:p:s:u:w:x:
catchsegv
    -
valgrind
    qv quiet verbose tool= leak-check= error-exitcode= log-file= track-origins= show-leak-kinds=
    suppressions= num-callers=
watch joins no-stdin
    bcdetgpxwn:q: beep color differences=? errexit no-title chgexit precise exec no-rerun no-wrap
    no-linewrap interval= equexit= help version
script operands=99 code=c,command
    aefqc:o:O:I:B:T:m:E:t append return flush quiet force command= echo= log-in= log-out= log-io=
    log-timing= output-limit= logging-format= timing=? help version
unbuffer
    p
xvfb-run
    aceflns:p:w:n: auto-servernum error-file= auth-file= listen-tcp server-num= xauth-protocol= server-args=
    wait= help
dbus-run-session
    - config-file= dbus-daemon= help version
dbus-launch
    - exit-with-session sh-syntax csh-syntax
fakeroot
    hvi:s:b:l:u unknown-is-real lib= faked= help version
proot
    0r:b:w:q:v:
faketime operands=1
    mfp:
cgexec
    g: sticky
numactl quiet=H,s
    alsHi:N:m:C:p:
linux32
    R
linux64
    R
choom quiet=p,pid
    p:n: pid= adjust=
systemd-inhibit quiet=list
    - what= who= why= mode= list no-pager no-legend help version
systemd-cat
    t:p:h identifier= priority= stderr-priority= level-prefix= namespace= help version
systemd-run
    GPqtdSrHM:u:p:E:C: scope user system uid= gid= nice= unit= property= description= slice= slice-inherit
    expand-environment= no-block remain-after-exit wait collect pty pipe quiet shell on-active= on-boot=
    on-startup= on-unit-active= on-unit-inactive= on-calendar= on-clock-change on-timezone-change
    path-property= socket-property= timer-property= service-type= send-sighup setenv= working-directory=
    same-dir machine= host= no-ask-password json= ignore-failure background= help version
chpst
    vP012u:U:b:e:/:n:l:L:m:d:o:p:f:c:r:t:
softlimit
    a:c:d:f:l:m:o:p:r:s:t:
setuidgid operands=1
    -
gosu operands=1
    -
su-exec operands=1
    -
tini
    vgshp:e: version
dumb-init
    crvh single-child rewrite= verbose help version
caffeinate
    disumt:w:
torsocks
    iqdu:p:a:P:
torify
    -
proxychains
    qf:
proxychains4
    qf:
ld.so loads=preload,audit,library-path
    - library-path= inhibit-rpath= inhibit-cache preload= audit= argv0= list verify help version
busybox quiet=help,install,list,list-full
    - list list-full install help
toybox quiet=help,version
    - help version
dotenv
    f:e:q:
ssh-agent quiet=k
    cDdksTuUa:E:O:P:t:
sshpass
    ehvVp:f:d:P:
mosh operands=1
    46anp: client= server= predict= family= port= bind-server= ssh= no-ssh-pty no-init local experimental-remote-ip=
    help version
run0
    iu:g:D: property= description= slice= slice-inherit user= group= nice= chdir= via-shell setenv= background= pty
    pipe shell-prompt-prefix= machine= unit= no-ask-password help version
uname26
    BFILRSTXZv3
cpulimit quiet=p,pid
    bcfiklmqrvzl:p:e:P:s: limit= pid= exe= path= background foreground lazy include-children quiet monitor-forks
rlwrap
    chiNmnorRUvXIa;A;b:C:D:e:f:F:g:H:l:M:O:p;P:q:s:S:t:w:W;z:
watchexec joins no-stdin
    cnprvqw:e:f:i:s:d:W:o:E:W: watch= exts= filter= ignore= signal= debounce= postpone restart clear shell=
    no-vcs-ignore
daemonize
    avc:e:E:o:p:u:l:
logsave operands=1
    asv
chronic
    ev
ifne
    n
systemd-nspawn
    qbaxUD:i:u:M:S:p:L:Z: directory= image= boot as-pid2 user= machine= slice= property= network-veth private-network
    bind= bind-ro= tmpfs= setenv= ephemeral quiet register= keep-unit read-only volatile=? settings= pipe console=
    chdir= capability= template= help version
hyperfine joins
    Niw:r:m:M:p:c:s:L:S:P: warmup= runs= min-runs= max-runs= ignore-failure show-output export-json= export-csv=
    export-markdown= style= shell= time-unit= output= input= command-name= parameter-list= help version
pdsh joins no-stdin
    RSabcdgiNqvVhw:x:l:t:u:f:g:C:F:X:
pssh joins no-stdin
    viPAzIH:h:l:p:o:e:t:O:x:X: host= hosts= user= par= outdir= errdir= timeout= options= option= extra-args= inline
    inline-stdout print askpass send-input verbose
parallel-ssh joins no-stdin
    viPAzIH:h:l:p:o:e:t:O:x:X: host= hosts= user= par= outdir= errdir= timeout= options= option= extra-args= inline
    inline-stdout print askpass send-input verbose
clush joins no-stdin
    aBbdGhLNnpPqrSvVg:w:x:X:f:l:o:t:u:m: hostfile= group= nodes= exclude= fanout= user= options= connect_timeout=
    command_timeout= worker= nostdin quiet verbose
npx code=c,call
    nqsyc:p:w: call= package= yes no no-install quiet workspace= workspaces prefix= ignore-existing registry=
pnpx
    cs package= shell-mode
bunx
    p: bun package= verbose silent
uvx
    qvnp: with= with-editable= with-requirements= from= python= isolated env-file= index= default-index= refresh offline
    no-cache cache-dir= quiet verbose
abduco quiet=l
    c:n:A:a:e:frlv
dtach quiet=p
    c:n:N:A:a:p:e:r:Ez
"""


def _wrapper(attributes: list[str], options: str) -> Wrapper:
    named = dict(attribute.split("=", 1) for attribute in attributes if "=" in attribute)
    return Wrapper(
        options,
        int(named.get("operands", "0")),
        assigns="assigns" in attributes,
        joins="joins" in attributes,
        stdin="no-stdin" not in attributes,
        quiet=frozenset(named.get("quiet", "").split(",")),
        code=frozenset(named.get("code", "").split(",")),
        directory=frozenset(named.get("directory", "").split(",")),
        loads=frozenset(named.get("loads", "").split(",")),
    )


def read_blocks(text: str) -> dict[str, tuple[list[str], str]]:
    """Return blocks of a table: by name, the rest of the head line and the indented lines joined."""
    blocks: dict[str, tuple[list[str], str]] = {}
    name = ""
    for line in text.strip().splitlines():
        if line.startswith(" "):
            head, body = blocks[name]
            blocks[name] = (head, f"{body} {line.strip()}".strip())
        else:
            name, *rest = line.split()
            blocks[name] = (rest, "")
    return blocks


TABLE = {name: _wrapper(head, body) for name, (head, body) in read_blocks(_TEXT).items()}
