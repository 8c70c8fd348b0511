"""The table of detectors: every row that masking knows. To add one, write a row in the file of its kind."""

from bastion.masking import accounts, email, fields, ids_europe, ids_world, network, passwords, phones, tokens
from bastion.masking.rows import Row

ROWS: tuple[Row, ...] = (
    *email.ROWS,
    *accounts.ROWS,
    *ids_europe.ROWS,
    *ids_world.ROWS,
    *network.ROWS,
    *phones.ROWS,
    *tokens.ROWS,
    *passwords.ROWS,
    *fields.ROWS,
)
"""All rows. Where values of two rows begin at the same place and are equally long, the earlier row names them."""
