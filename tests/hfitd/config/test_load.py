"""Reading config.toml: what is accepted, and that every mistake is told at once."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest

from hfitd.config.load import load_config
from hfitd.config.model import Config, Secret, VolumeMask
from hfitd.config.schema import NAMED, SECTIONS
from hfitd.errors import ConfigError
from hfitd.model import MaskRule

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "config.example.toml"
EXAMPLE_ENVIRONMENT = {"SHOP_PG_PASSWORD": "pg-secret", "HFITD_MASK_KEY": "sixteen-characters-and-more"}
KEY = "0123456789abcdef"


@pytest.fixture
def load(tmp_path: Path):
    """Loads a configuration of the given text."""

    def from_text(text: str, **environ: str) -> Config:
        path = tmp_path / "config.toml"
        path.write_text(text)
        return load_config(path, environ)

    return from_text


def mistakes_of(load, text: str, **environ: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load(text, **environ)
    return {mistake.key: mistake.message for mistake in caught.value.mistakes}


def test_the_example_loads() -> None:
    config = load_config(EXAMPLE, EXAMPLE_ENVIRONMENT)
    assert config.providers["shop_pg"].password == Secret("pg-secret")
    assert config.providers["tickets"].path == ROOT / "tickets.db"
    assert config.providers["tickets"].database == "main"
    assert config.policy.mask[1].options == {"value": "x"}
    assert config.policy.mask[1].columns == ("*/*/*.password*", "*/*/*.token")
    assert config.policy.clear == ("shop_pg/public/product.*", "tickets/main/*.*")
    assert config.volumes["app_logs"].max_file_size == 512 * 1024**2
    assert [mask.format for mask in config.volumes["app_logs"].masks] == ["csv", "json", "log"]
    assert config.roles["developer"].grants[1] == "!rows:shop_pg/public/salary*"


def test_the_example_documents_every_key() -> None:
    written = {
        line.lstrip("# ").split("=")[0].strip() for line in EXAMPLE.read_text().splitlines() if "=" in line.lstrip("# ")
    }
    missing = [
        f"{section}.{field.data_key or name}"
        for section, schema in {**SECTIONS, **NAMED}.items()
        for name, field in schema().fields.items()
        if (field.data_key or name) not in written
        and f"[[{section}.{name}]]" not in EXAMPLE.read_text()
        and f".{name}]]" not in EXAMPLE.read_text()
    ]
    assert missing == []


def test_the_example_states_the_defaults_of_the_sections_without_names() -> None:
    config = load_config(EXAMPLE, EXAMPLE_ENVIRONMENT)
    default = Config()
    for section in ("store", "artifacts", "auth", "limits", "audit", "log"):
        assert getattr(config, section) == getattr(default, section)


def test_an_empty_file_is_the_defaults(load) -> None:
    assert load("") == Config()


def test_every_mistake_is_reported_at_once_with_its_key(load) -> None:
    found = mistakes_of(
        load,
        """
        [server]
        listn = "127.0.0.1:1"
        shutdown_grace = 30
        [limits]
        package_rows = "many"
        package_bytes = "1 GB"
        [servr]
        [providers.shop]
        type = "oracle"
        [providers.pg]
        type = "postgresql"
        [policy]
        unclassified = "maybe"
        [[policy.mask]]
        mask = "null"
        [roles.dev]
        grants = ["read:x"]
        """,
    )
    assert found["server.listn"] == 'is not a key here; did you mean "listen"?'
    assert "must be a duration" in found["server.shutdown_grace"]
    assert found["limits.package_rows"] == "must be a whole number"
    assert "must be a number of bytes" in found["limits.package_bytes"]
    assert found["servr"] == 'is no section; did you mean "server"?'
    assert "must be one of postgresql" in found["providers.shop.type"]
    assert found["providers.pg.user"] == found["providers.pg.database"] == "is missing"
    assert "must be one of deny" in found["policy.unclassified"]
    assert found["policy.mask[0].columns"] == "is missing"
    assert "read is no action" in found["roles.dev.grants[0]"]


@pytest.mark.parametrize("text", ["[server", "a = 1\na = 2", "x = 2024-13-01", "\ufeff[server]"])
def test_what_is_not_toml_is_refused_with_the_place(load, text: str) -> None:
    assert "is not TOML" in next(iter(mistakes_of(load, text).values()))


def test_a_missing_file_is_one_clear_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        load_config(tmp_path / "none.toml", {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("15m", 900), ("8h", 28800), ("7d", 604800), ("1.5s", 1.5)]
)
def test_durations_have_units(load, text: str, seconds: float) -> None:
    assert load(f'[auth]\ntoken_ttl = "{text}"').auth.token_ttl_seconds == seconds


@pytest.mark.parametrize("text", ["30", "30 s", "-1s", "0s", "1w", "٣s", "", "1e3s", "s"])
def test_other_durations_are_refused(load, text: str) -> None:
    assert "auth.token_ttl" in mistakes_of(load, f'[auth]\ntoken_ttl = "{text}"')


@pytest.mark.parametrize(("text", "size"), [('"64KB"', 65536), ('"1GB"', 1024**3), ("77", 77), ('"5mb"', 5 * 1024**2)])
def test_sizes_are_powers_of_1024(load, text: str, size: int) -> None:
    assert load(f"[limits]\npackage_bytes = {text}").limits.package_bytes == size


@pytest.mark.parametrize("text", ["0", "-5", "true", "1.5", '"1KiB"', '"KB"', '"1 KB"'])
def test_other_sizes_are_refused(load, text: str) -> None:
    assert "limits.package_bytes" in mistakes_of(load, f"[limits]\npackage_bytes = {text}")


def test_relative_paths_are_relative_to_the_file(load, tmp_path: Path) -> None:
    config = load('[server]\ndata_dir = "data"\n[volumes.logs]\npath = "../logs"')
    assert config.server.data_dir == tmp_path / "data"
    assert config.volumes["logs"].path == tmp_path / "../logs"


def test_extensions_are_kept_in_one_form(load) -> None:
    config = load('[volumes.v]\npath = "x"\nallowed_extensions = [".LOG", "csv", ".tar.gz"]')
    assert config.volumes["v"].allowed_extensions == (".log", ".csv", ".tar.gz")
    assert "volumes.v.allowed_extensions" in mistakes_of(load, '[volumes.v]\npath="x"\nallowed_extensions=["a/b"]')


PROVIDER = '[providers.shop-pg]\ntype = "postgresql"\nuser = "u"\ndatabase = "d"\n'


def test_any_key_can_come_from_the_environment(load) -> None:
    config = load(
        PROVIDER,
        HFITD_SERVER__LISTEN="127.0.0.1:9",
        HFITD_LIMITS__PACKAGE_ROWS="5",
        HFITD_AUDIT__SINKS="file:, stdout:",
        hfitd_providers__shop_pg__password="p:w",
        HFITD_PROVIDERS__SHOP_PG__DATABASES='["a,b", "c"]',
        HFITD_POLICY__UNCLASSIFIED_ALL="true",
        HFITD_PROVIDERS__SHOP_PG__MAX_COST="1.5",
        HFITD_CONFIG="ignored",
    )
    provider = config.providers["shop-pg"]
    assert config.server.listen == "127.0.0.1:9"
    assert config.server.origin == "http://127.0.0.1:9"
    assert config.limits.package_rows == 5
    assert config.audit.sinks == ("file:", "stdout:")
    assert provider.password == Secret("p:w")
    assert provider.databases == ("a,b", "c")
    assert config.policy.unclassified_all
    assert provider.max_cost == 1.5


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("HFITD_SERVR__LISTEN", 'did you mean "server"'),
        ("HFITD_SERVER__LISTN", 'did you mean "listen"'),
        ("HFITD_PROVIDERS__SHOP__USER", 'did you mean "shop-pg"'),
        ("HFITD_PROVIDERS__SHOP_PG__USR", 'did you mean "user"'),
    ],
)
def test_an_environment_name_that_fits_nothing_is_a_mistake(load, name: str, hint: str) -> None:
    assert hint in mistakes_of(load, PROVIDER, **{name: "1"})[name]


def test_an_environment_value_of_the_wrong_type_names_the_key(load) -> None:
    assert mistakes_of(load, "", HFITD_LIMITS__PACKAGE_ROWS="ten") == {"limits.package_rows": "must be a whole number"}


def test_origin_is_kept_without_default_port(load) -> None:
    text = '[server]\norigin = "HTTPS://Hfit.Example:443/"'
    assert load(text).server.origin == "https://hfit.example"
    assert load('[server]\nlisten = "[::1]:80"').server.origin == "http://[::1]"


@pytest.mark.parametrize(
    "origin", ["hfit.example", "ftp://x", "https://x/path", "https://u@x", "https://x?q", "https://x:99999", "https://"]
)
def test_what_is_no_origin_is_refused(load, origin: str) -> None:
    assert "server.origin" in mistakes_of(load, f'[server]\norigin = "{origin}"')


@pytest.mark.parametrize("listen", ["localhost", "1.2.3.4:x", ":80", "127.0.0.1:70000", "::1:80", "http://127.0.0.1:1"])
def test_what_cannot_be_listened_on_is_refused(load, listen: str) -> None:
    assert "server.listen" in mistakes_of(load, f'[server]\nlisten = "{listen}"')


@pytest.mark.parametrize("listen", ["0.0.0.0:8765", "[::]:8765", "192.0.2.1:8765", "gateway.internal:8765"])
def test_o13_clear_text_beyond_this_machine_is_refused_unless_named(load, listen: str) -> None:
    text = f'[server]\nlisten = "{listen}"\norigin = "https://hfit.example"\n'
    assert "plaintext" in mistakes_of(load, text)["server.listen"]
    assert load(text + 'insecure = ["plaintext"]').server.insecure == {"plaintext"}
    assert load(text + "insecure = true").server.insecure == {"secrets", "plaintext", "db-role"}


def test_o13_a_clear_text_origin_beyond_this_machine_is_refused(load) -> None:
    assert "https" in mistakes_of(load, '[server]\norigin = "http://hfit.example"')["server.origin"]


def test_o13_with_a_certificate_it_may_listen_anywhere(load, tmp_path: Path) -> None:
    text = '[server]\nlisten = "0.0.0.0:443"\norigin = "https://h.example"\ntls_certificate = "c"\ntls_key = "k"'
    found = mistakes_of(load, text)
    assert found == {"server.tls_certificate": "there is no such file", "server.tls_key": "there is no such file"}
    (tmp_path / "c").touch()
    (tmp_path / "k").touch()
    assert load(text).server.tls_key == tmp_path / "k"
    assert "go together" in mistakes_of(load, '[server]\ntls_certificate = "c"')["server.tls_key"]


def test_a_wildcard_needs_an_origin(load) -> None:
    found = mistakes_of(load, '[server]\nlisten = "0.0.0.0:1"\ninsecure = ["plaintext"]')
    assert "by which address" in found["server.origin"]


@pytest.mark.parametrize("path", ["/proc", "/sys/kernel", "/dev", "/proc/self/root/etc", "link"])
def test_f08_a_volume_on_a_pseudo_file_system_is_refused(load, tmp_path: Path, path: str) -> None:
    (tmp_path / "link").symlink_to("/proc/self")
    found = mistakes_of(load, f'[volumes.v]\npath = "{path}"')
    assert "window into the system" in found["volumes.v.path"]


def test_a_volume_apart_from_the_daemons_own_files_only(load) -> None:
    for path in ("data/packages", ".", "data"):
        found = mistakes_of(load, f'[server]\ndata_dir = "data"\n[volumes.v]\npath = "{path}"')
        assert "overlaps" in found["volumes.v.path"]


def test_names_are_letters_digits_underscore_and_minus(load) -> None:
    assert 'volumes.a/b' in mistakes_of(load, '[volumes."a/b"]\npath = "x"')


@pytest.mark.parametrize("url", ["redis:", "http://x", "embedded:x", "redis//x", "redis://[::1", ""])
def test_a_store_url_of_another_kind_is_refused(load, url: str) -> None:
    assert "store.url" in mistakes_of(load, f'[store]\nurl = "{url}"')


def test_a_password_does_not_stand_in_the_store_url(load) -> None:
    assert "store.password" in mistakes_of(load, '[store]\nurl = "rediss://:pw@h:1/0"')["store.url"]
    assert load('[store]\nurl = "redis+sentinel://a:1,b:2/main"').store.url.startswith("redis+sentinel")


def test_artifacts_and_sinks_have_their_forms(load) -> None:
    sinks = '["file:", "syslog:127.0.0.1:514", "syslog+tcp:log.example.org:601", "file:/mnt/copy.jsonl", '
    sinks += '"stdout:", "s3://trail/a/b", "s3://trail"]'
    load(f'[artifacts]\nurl = "file:/srv/packages"\n[audit]\nsinks = {sinks}')
    wrong = '["syslog:x", "kafka:", "file:copy"]'
    found = mistakes_of(load, f'[artifacts]\nurl = "file:relative"\n[audit]\nsinks = {wrong}')
    assert set(found) == {"artifacts.url", "audit.sinks[0]", "audit.sinks[1]", "audit.sinks[2]"}


@pytest.mark.parametrize("name", ["s3:", "s3://", "s3://x", "s3://UP/a", "s3://trail/../a", "s3://trail//a", "s3://k:s@h"])
def test_a_bucket_for_the_audit_log_has_a_name_that_every_store_takes(load, name: str) -> None:
    assert "s3://bucket/prefix" in mistakes_of(load, f'[audit]\nsinks = ["{name}"]')["audit.sinks[0]"]


def test_a_bucket_for_the_audit_log_needs_its_library(load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert "[server,s3]" in mistakes_of(load, '[audit]\nsinks = ["s3://trail"]')["audit.sinks[0]"]


def test_packages_in_a_bucket_need_its_library_and_a_name_for_it(load, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = '[artifacts]\nurl="s3://bucket/prefix"'
    assert load(bucket).artifacts.url == "s3://bucket/prefix"
    assert "s3://bucket/prefix" in mistakes_of(load, '[artifacts]\nurl="s3://UP/a"')["artifacts.url"]
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert "[server,s3]" in mistakes_of(load, bucket)["artifacts.url"]


def test_review_may_be_required_of_providers_and_roles(load) -> None:
    text = '[providers.a]\ntype="sqlite"\npath="x"\nrequire_approved=true\n[roles.r]\ngrants=[]\nrequire_approved=true'
    config = load(text)
    assert config.providers["a"].require_approved
    assert config.roles["r"].require_approved


def test_a_role_that_can_be_asked_for_says_of_whom_and_for_how_long(load) -> None:
    text = '[roles.boss]\ngrants=[]\n[roles.r]\ngrants=[]\nrequestable=true\napprovers=["boss"]\nmax_duration="2h"'
    role = load(text + "\nbreak_glass=true").roles["r"]
    assert (role.approvers, role.max_duration_seconds, role.break_glass) == (("boss",), 7200.0, True)
    wrong = mistakes_of(load, '[roles.r]\ngrants=[]\napprovers=["bos"]\n[roles.s]\ngrants=[]\nbreak_glass=true')
    assert set(wrong) == {"roles.r.approvers", "roles.r.requestable", "roles.s.requestable"}


def test_engines_need_what_they_need(load) -> None:
    text = '[providers.a]\ntype="sqlite"\nuser="u"\n[providers.b]\ntype="mysql"\npath="x"\ntls_ca="y"'
    wrong = {"providers.a.path", "providers.a", "providers.b.path", "providers.b.user", "providers.b.tls_ca"}
    assert set(mistakes_of(load, text)) == wrong


MASKED = PROVIDER + f'[server]\ninsecure = ["secrets"]\n[policy]\nmask_key = "{KEY}"\n'


@pytest.mark.parametrize(
    ("glob", "hint"),
    [
        ("shop-pg/public/customer", "PROVIDER/SCHEMA/TABLE.COLUMN"),
        ("customer.email", "PROVIDER/SCHEMA/TABLE.COLUMN"),
        ("a/b/c/d.e", "PROVIDER/SCHEMA/TABLE.COLUMN"),
        ("shop_pgg/public/customer.email", 'did you mean "shop-pg"'),
    ],
)
def test_a_mask_that_would_protect_nothing_is_a_mistake(load, glob: str, hint: str) -> None:
    rule = f'[[policy.mask]]\ncolumns = "{glob}"\nmask = "null"'
    assert hint in mistakes_of(load, MASKED + rule)["policy.mask[0].columns"]
    assert hint in mistakes_of(load, MASKED + f'[[policy.clear]]\ncolumns = ["{glob}"]')["policy.clear"]


def test_options_of_a_mask_stand_beside_its_keys(load) -> None:
    text = '[[policy.mask]]\ncolumns = "*/*/*.x"\nmask = "json"\npaths = {"$.a" = "email"}\nfilterable = "equality"'
    rule = load(MASKED + text).policy.mask[0]
    assert (rule.columns, rule.options, rule.filterable) == (("*/*/*.x",), {"paths": {"$.a": "email"}}, "equality")
    assert "policy.mask[0].value" in mistakes_of(
        load, MASKED + '[[policy.mask]]\ncolumns="*/*/*.x"\nmask="const"\nvalue=2024-01-01'
    )


@pytest.mark.parametrize(
    "where",
    [
        "a = 1; drop table x", "a = 1 -- x", "a = 1 /* x */", "a = 1) or (1 = 1", "(a = 1", "a = 'x", 'a = "x',
        "a = `x",
        "a = 1 # x", "a = $$x$$", "a = 'x\\\\' or 1=1", "a = 1 */",
    ],
)  # fmt: skip
def test_a_row_filter_is_one_expression(load, where: str) -> None:
    rule = f"[[policy.row_filter]]\ntable = '*/*/*'\nroles = 'dev'\nwhere = '''{where} '''\n[roles.dev]\ngrants = []"
    assert "policy.row_filter[0].where" in mistakes_of(load, MASKED + rule)


def test_a_sound_row_filter_is_kept_as_written(load) -> None:
    where = "tenant = 'a;b -- (' AND (\"x\" > 1 OR y IN (SELECT 1))"
    rule = f"[[policy.row_filter]]\ntable = '*/*/*'\nroles = ['dev']\nwhere = '''{where}'''\n[roles.dev]\ngrants = []"
    assert load(MASKED + rule).policy.row_filter[0].where == where
    found = mistakes_of(load, MASKED + rule.replace("['dev']", "['devv']"))
    assert "devv is no role" in found["policy.row_filter[0].roles"]


@pytest.mark.parametrize(
    "grant",
    ["rows", "rows:", "rows:a", "rows:a/b", "rows:a//b", "files.read:", "files.read:v", "!x:y", ":a", "rows: a/b/\nc"],
)
def test_a_grant_has_an_action_and_an_object(load, grant: str) -> None:
    text = grant.replace("\n", "\\n")
    assert "roles.r.grants[0]" in mistakes_of(load, f'[roles.r]\ngrants = ["{text}"]')


RULE = '[volumes.v]\npath = "x"\n[[volumes.v.mask]]\nfiles = "*.x"\n'


def test_a_volume_mask_says_what_is_masked(load) -> None:
    table = 'columns = {e = "email", n = {mask = "redact", first = 2}}\n'
    masks = {"e": MaskRule("email"), "n": MaskRule("redact", {"first": 2})}
    found = load(RULE + 'format = "csv"\ndelimiter = ";"\n' + table).volumes["v"].masks
    assert found == (VolumeMask(("*.x",), "csv", masks, delimiter=";"),)
    found = load(RULE + 'format = "json"\npaths = {"$.e" = "email"}').volumes["v"].masks
    assert found == (VolumeMask(("*.x",), "json", {}, {"$.e": MaskRule("email")}),)
    found = load(RULE + 'format = "log"\nunmatched = "keep"\npattern = "(?P<e>.)"\n' + table).volumes["v"].masks
    assert found == (VolumeMask(("*.x",), "log", masks, {}, "(?P<e>.)", unmatched="keep"),)


@pytest.mark.parametrize(
    ("rule", "key", "message"),
    [
        ('format = "xml"', "format", "must be one of csv"), ('columns = {e = "email"}', "format", "is missing"),
        ('format = "csv"\npaths = {"$.e" = "email"}', "paths", "no meaning for the format csv"),
        ('format = "json"\npattern = "x"', "pattern", "no meaning"),
        ('format = "csv"\ncolumns = {e = 5}', "columns", "the mask of e must be"),
        ('format = "csv"\ncolumns = {e = {mark = "x"}}', "columns", "the mask of e must be"),
        ('format = "log"\nunmatched = "ignore"', "unmatched", "must be one of drop"),
        ('format = "csv"\ncolumns = "e"', "columns", "must be a table"),
    ],
)  # fmt: skip
def test_a_volume_mask_that_is_not_one_is_a_mistake(load, rule: str, key: str, message: str) -> None:
    assert message in mistakes_of(load, RULE + rule)[f"volumes.v.mask[0].{key}"]


def test_h10_a_secret_never_shows_itself(load) -> None:
    config = load(PROVIDER, HFITD_PROVIDERS__SHOP_PG__PASSWORD="canary")
    assert "canary" not in repr(config) + str(config) + f"{config.providers['shop-pg'].password}"
    with pytest.raises(TypeError):
        pickle.dumps(config.providers["shop-pg"].password)


def test_o13_a_literal_secret_needs_insecure(load) -> None:
    text = PROVIDER + 'password = "canary"\n'
    found = mistakes_of(load, text)
    assert "insecure" in found["providers.shop-pg.password"]
    assert "canary" not in str(found)
    assert load(text + '[server]\ninsecure = ["secrets"]').providers["shop-pg"].password == Secret("canary")


def test_a_secret_file_is_private(load, tmp_path: Path) -> None:
    file = tmp_path / "pw"
    file.write_text("canary\n")
    text = PROVIDER + 'password = "file:pw"\n'
    for mode in (0o600, 0o400):
        file.chmod(mode)
        assert load(text).providers["shop-pg"].password == Secret("canary")
    for mode in (0o644, 0o640, 0o604, 0o700):
        file.chmod(mode)
        assert "0600" in mistakes_of(load, text)["providers.shop-pg.password"]
    assert load(text + '[server]\ninsecure = ["secrets"]').providers["shop-pg"].password == Secret("canary")


@pytest.mark.parametrize("reference", ["env:NOT_SET", "file:missing", "file:.", "file:fifo", "cred:x", "file:empty"])
def test_a_secret_that_cannot_be_had_is_a_mistake_and_never_waits(load, tmp_path: Path, reference: str) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "empty").touch(0o600)
    assert "providers.shop-pg.password" in mistakes_of(load, PROVIDER + f'password = "{reference}"')


def test_systemd_credentials_are_names_not_paths(load, tmp_path: Path) -> None:
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "pg").write_text("canary")
    directory = {"CREDENTIALS_DIRECTORY": str(tmp_path / "creds")}
    assert load(PROVIDER + 'password = "cred:pg"', **directory).providers["shop-pg"].password == Secret("canary")
    found = mistakes_of(load, PROVIDER + 'password = "cred:../x"', **directory)
    assert "one word" in found["providers.shop-pg.password"]


def test_a_short_mask_key_is_refused(load) -> None:
    assert "at least 16" in mistakes_of(load, '[policy]\nmask_key = "env:K"', K="short")["policy.mask_key"]
