"""What only the whole of bastion.toml can tell: parts that are well made and yet do nothing together. Warnings alone.

Nothing here stops a start. Pure: it reads a `Config` that has no findings and adds lines to `Findings`.
"""

from collections.abc import Iterable

from bastion.config.schema import Config, Role, Rule, Selector, Target
from bastion.config.table import Findings, join
from bastion.config.values import is_glob, quoted, suggestion
from bastion.instances import NAME, every, instance
from bastion.masking.detectors import ROWS
from bastion.model import Action, ControlRight, strictest
from bastion.policy.review import review
from bastion.selectors import channels_on, selects


def check(config: Config, findings: Findings) -> None:
    """Add a warning for everything in the configuration that has no effect, or none that was meant."""
    if not config.issuers:
        findings.warn("issuers", "there is none, so that nobody can log in; write [issuers.NAME]")
    for role in config.roles.values():
        _check_role(role, config, findings)
    _check_reach(config, findings)
    _check_patterns(config, findings)
    _check_detectors(config, findings)
    defaults = [role.default for role in config.roles.values()] + [target.default for target in every(config)]
    guarded = strictest(defaults) is not Action.ALLOW
    for index, rule in enumerate(config.rules):
        path = f"rules[{index}]"
        _check_selectors(f"{path}.targets", rule.targets, config, findings)
        if rule.action is Action.APPROVE:
            _check_approvers(path, rule.approvers, config, findings)
        if rule.action is Action.ALLOW and not guarded:
            findings.warn(path, 'allows what runs anyway; set default = "deny" or "approve" on a role or target')
        if rule.action is Action.DENY and _matches_everything(rule):
            findings.warn(path, "matches everything, so that no command runs anywhere")
    for finding in review(config.rules):
        findings.warn(f"rules[{finding.index}]", finding.message)


def _matches_everything(rule: Rule) -> bool:
    return rule.whatever and not any((rule.targets, rule.groups, rule.kinds, rule.logins, rule.times))


def _check_role(role: Role, config: Config, findings: Findings) -> None:
    path = join("roles", role.name)
    _check_selectors(f"{path}.targets", role.targets, config, findings)
    if role.request is not None:
        _check_approvers(f"{path}.request", role.request.approvers, config, findings)
    if role.control or any(channels_on(role, target) for target in every(config)):
        return
    missing = [key for key in ("targets", "logins", "channels") if not getattr(role, key)]
    hint = f"; it names no {' and no '.join(missing)}" if missing else ""
    findings.warn(path, f"grants nothing{hint}")


def _check_reach(config: Config, findings: Findings) -> None:
    targets = list(every(config))
    needed = set(_gateways(targets))
    for target in targets:
        if any(channels_on(role, target) for role in config.roles.values()):
            needed.update((target.name, target.pattern))
    for name in [*config.targets, *(pattern.name for pattern in config.patterns)]:
        if name not in needed:
            findings.warn(
                join("targets", name), "no role reaches it; name it in the targets of a role with logins and channels"
            )


def _gateways(targets: Iterable[Target]) -> Iterable[str]:
    for target in targets:
        if target.via is not None:
            yield target.via.target.name
            yield from _gateways([target.via.target])


def _check_patterns(config: Config, findings: Findings) -> None:
    """Warn where a pattern is a second way to the host of a target that has rules and roles of its own."""
    for pattern in config.patterns:
        before, after = pattern.address.host.split(NAME)
        for target in config.targets.values():
            host = target.address.host
            name = host.removeprefix(before).removesuffix(after)
            made = instance(pattern, name)
            if made is not None and made.address == target.address and name not in config.targets:
                path, rest = join("targets", pattern.name), "where it goes by another name and other roles and rules"
                findings.warn(path, f"matches {quoted(name)}, the address of {join('targets', target.name)}, {rest}")


def _check_detectors(config: Config, findings: Findings) -> None:
    built = {row.kind for row in ROWS} | {detector.name for detector in config.masking.custom}
    missing = [name for name in config.masking.detectors if name not in built]
    if missing:
        findings.warn("masking.detectors", f"this version cannot find {', '.join(missing)}: such values pass unmasked")


def _check_selectors(path: str, selectors: Iterable[Selector], config: Config, findings: Findings) -> None:
    labels = {label for target in every(config) for label in target.labels}
    keys = {key for key, _ in labels}
    for selector in selectors:
        for key, value in selector.labels:
            if key not in keys:
                findings.warn(path, f"no target has a label {quoted(key)}{suggestion(key, keys)}")
            elif (key, value) not in labels:
                values = [known for owner, known in labels if owner == key]
                findings.warn(path, f"no target has {key} = {quoted(value)}{suggestion(value, values)}")
        if is_glob(selector.name) and not any(selects([selector], target) for target in every(config)):
            findings.warn(path, f"no target's name matches {quoted(selector.name)}")


def _check_approvers(path: str, approvers: Iterable[str], config: Config, findings: Findings) -> None:
    able = {
        group
        for role in config.roles.values()
        if ControlRight.APPROVE in role.control and role.request is None
        for group in role.groups
    }
    if not able.intersection(approvers):
        names = ", ".join(quoted(name) for name in approvers)
        findings.warn(f"{path}.approvers", f'no role grants {names} control = ["approve"], so that nobody can agree')
