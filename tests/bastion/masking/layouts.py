"""Tables, records and statements with people in them, as programs print them: a head, a row to fill in, a foot."""

PEOPLE = (("Alice", "1985-03-12", "123456789"), ("Zoë", "12/03/1985", "987654321"), ("Jean Luc", "1.2.1990", "5550100"))
"""Values that nothing but their column tells."""

LAYOUTS = {
    "csv": ("id,name,birth_date,ssn\n", "7,{},{},{}\n", ""),
    "csv quoted": ('"id","name","birth_date","ssn"\r\n', '"7","{}","{}","{}"\r\n', ""),
    "csv semicolon": ("first_name;dob;ssn;city\n", "{};{};{};Rome\n", ""),
    "tsv": ("id\tlast_name\tdob\tssn\n", "1\t{}\t{}\t{}\n", ""),
    "unaligned": ("id|name|dob|ssn\n", "1|{}|{}|{}\n", "(3 rows)\n"),
    "psql": (" id | name | dob | ssn \n----+------+-----+-----\n", "  1 | {} | {} | {}\n", "(3 rows)\n\n"),
    "psql unicode": (" name │ dob │ ssn \n──────┼─────┼─────\n", " {} │ {} │ {}\n", ""),
    "mysql": ("+----+----+----+\n| name | dob | ssn |\n+----+----+----+\n", "| {} | {} | {} |\n", "+----+----+----+\n"),
    "markdown": ("| Name | DOB | SSN |\n|---|---|---|\n", "| {} | {} | {} |\n", "\n"),
    "sqlite columns": (
        "id  name                  dob         ssn      \r\n--  --------------------  ----------  ---------\r\n",
        "1   {:20}  {:10}  {:9}\r\n",
        "$ ls -l\r\nZoe  x\r\n",
    ),
    "column -t": (
        "id  first_name  dob         ssn        city\n",
        "7   {:10}  {:10}  {:9}  Rome\n",
        "$ ls -l\nZoe x\n",
    ),
    "aligned": ("ID    NAME      CITY  SSN        DOB\r\n", "7     {0:8}  Rome  {2:9}  {1}\r\n", "\r\n"),
    "psql without borders": (
        "id         name         birth date    ssn   \n-- -------------------- ---------- ---------\n",
        " 1 {:20} {:10} {:9}\n",
        "(3 rows)\n\n",
    ),
    "psql lines without borders": (
        "  name      dob       ssn   \n──────── ────────── ─────────\n",
        "{:8} {:10} {}\n",
        "",
    ),
    "mysql html": (
        "<TABLE BORDER=1><TR><TH>id</TH><TH>name</TH><TH>dob</TH><TH>ssn</TH></TR>",
        "<TR><TD>1</TD><TD>{}</TD><TD>{}</TD><TD>{}</TD></TR>",
        "</TABLE>",
    ),
    "psql html": (
        '<table>\n  <tr>\n    <th align="center">name</th>\n    <th>dob</th>\n    <th><b>ssn</b></th>\n  </tr>\n',
        '  <tr valign="top">\n    <td align="left">{}</td>\n    <td>{}</td>\n <td><a href="x">{}</a></td>\n  </tr>\n',
        "</table>\n<p>(3 rows)<br />\n</p>\n",
    ),
    "html rows": (
        "<table>\n",
        "<tr><th>Last name</th><td>{}</td></tr>\n<tr><th>DOB</th><td> {} </td></tr><tr><th>SSN<td>{}<tr>\n",
        "<tr><th>Note</th><td>Zoe</td></tr></table>\n",
    ),
    "psql expanded": ("", "-[ RECORD 1 ]--\nname | {}\ndob  | {}\nssn  | {}\n", ""),
    "mysql vertical": ("", "*************************** 1. row ***\n name: {}\n  dob: {}\n  ssn: {}\n", ""),
    "json": ("", '{{"name": "{}", "dob": "{}", "ssn": "{}"}}\n', ""),
    "json indented": ("", '{{\n  "firstName": "{}",\n  "birthDate": "{}",\n  "ssn": "{}"\n}}\n', ""),
    "yaml": ("", "- first_name: {}\n  dob: {}\n  ssn: {}\n", ""),
    "environment": ("", 'FULL_NAME="{}"\nBIRTH_DATE={}\nSSN={}\n', ""),
    "xml": ("", "<p><first_name>{}</first_name><dob>{}</dob><ssn>{}</ssn></p>\n", ""),
    "xml named": ("", "<p><name>{}</name><dob>{}</dob><ssn>{}</ssn></p>\n", ""),
    "mysql xml": (
        "<resultset>\n",
        (
            '  <row>\n\t<field name="name">{}</field>\n\t<field name="dob">{}</field>\n'
            "\t<column name='ssn'>{}</column>\n  </row>\n"
        ),
        "</resultset>\n",
    ),
    "psql expanded unaligned": ("", "id|7\nname|{}\ndob|{}\nssn|{}\n\n", ""),
    "python": ("", "Person(last_name='{}', dob='{}', ssn='{}')\n", ""),
    "sql": ("", "INSERT INTO people (id, name, dob, ssn) VALUES (1, '{}', '{}', '{}');\n", ""),
    "sql tuples": ("INSERT INTO p (name, dob, ssn) VALUES\n", " ('{}', '{}', '{}'),\n", " (NULL, NULL, NULL);\n"),
    "mysqldump": (
        (
            "CREATE TABLE `p` (\n  `id` int(11) NOT NULL,\n  `name` varchar(60) DEFAULT 'a, (b)',\n  `dob` date,\n"
            "  `price` decimal(5,2),\n  `ssn` text,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\nINSERT INTO `p` VALUES\n"
        ),
        "(7,'{}','{}',1.5,'{}'),\n",
        "(8,NULL,NULL,NULL,NULL);\n",
    ),
    "pg_dump inserts": (
        "CREATE TABLE public.p (\n    full_name character varying(60),\n    dob date,\n    ssn text\n);\n\nSELECT 1;\n",
        "INSERT INTO public.p VALUES ('{}', '{}', '{}');\n",
        "",
    ),
    "sqlite dump": (
        "CREATE TABLE IF NOT EXISTS p (name text, -- who\n dob date, ssn text);\n",
        "INSERT INTO \"p\" VALUES('{}','{}','{}');\n",
        "COMMIT;\n",
    ),
    "hl7": ("MSH|^~\\&|x\n", "PID|1||7||{}||{}|M|||||||||||{}\nNK1|1||\n", ""),
    "copy": ("COPY p (name, dob, ssn) FROM stdin;\n", "{}\t{}\t{}\n", "\\.\n"),
}
