"""Reads `[notify.NAME]`: who is told, and where, that something waits for approval."""

from apprise import Apprise

from bastion.config.schema import Notifier, Secret
from bastion.config.secrets import SecretReader
from bastion.config.table import Table
from bastion.config.values import group, plain_name


def read_notifiers(root: Table, secrets: SecretReader) -> dict[str, Notifier]:
    """Return all notifiers by name; findings go to the table."""
    return {name: _notifier(name, table, secrets) for name, table in root.tables("notify", plain_name).items()}


def _notifier(name: str, table: Table, secrets: SecretReader) -> Notifier:
    groups = table.some("groups", group, 'write the approvers\' groups that are told, as in ["sre"]')
    url = secrets.take(table, "url")
    if url is None:
        table.error(
            "url_env",
            "is missing; name the variable (or url_file the file) with an Apprise URL, as in slack://… or mailto://…",
        )
    elif Apprise.instantiate(url.reveal(), suppress_exceptions=True) is None:
        table.error("url_env" if "url_env" in table else "url_file", "holds no URL that Apprise understands")
    table.finish()
    return Notifier(name, groups, url or Secret(""))
