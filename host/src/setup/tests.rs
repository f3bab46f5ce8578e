use super::*;
use crate::callers::Passwords;
use crate::config::Flags;
use crate::store::setup::{EndpointAccess, Role};
use crate::store::{Partition, SledOptions, SledStore};
use std::path::Path;

const ACME: &str = r#"
[vendors.acme]
name = "Acme"

[callers.root]
role = "operator"
password = "correct horse"

[callers.shop]
role = "marketplace"
endpoints = ["files"]
password_file = "shop.password"

[endpoints.files]
vendor = "acme"
plugin = "files.wasm"
config = { region = "eu" }
secrets.key = { file = "key" }

[[endpoints.files.grants]]
url = "https://api.example.com"
secrets = ["key"]
"#;

struct Bench {
    folder: tempfile::TempDir,
    store: Arc<SledStore>,
    setup: Setup,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(folder.path().join("setup")).unwrap();
        let set = ["auth.argon2_memory_kib=8", "auth.argon2_passes=1"].map(str::to_owned);
        let flags = Flags { data: Some(data.clone()), set: set.to_vec(), ..Flags::default() };
        let store = Arc::new(SledStore::open(SledOptions::new(data.join("store"))).unwrap());
        let config = Arc::new(Config::load(&flags).unwrap());
        let blobs = Arc::new(Blobs::open(&data).unwrap());
        let setup = Setup {
            config: config.clone(),
            store: store.clone(),
            blobs: blobs.clone(),
            accept: Arc::new(|bytes: &[u8]| match bytes {
                b"bad" => Err(anyhow!("this is no component")),
                bytes => Ok(Digest::of(bytes)),
            }),
            vault: Arc::new(Vault::new(&config.secrets, blobs.clone())),
        };
        let bench = Bench { folder, store, setup };
        for (name, content) in
            [("shop.password", "shop password\n"), ("key", "hush\n"), ("files.wasm", "component")]
        {
            bench.file(name, content);
        }
        bench
    }

    fn with(text: &str) -> Bench {
        let bench = Bench::new();
        bench.file("acme.toml", text);
        bench
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("setup")
    }

    fn file(&self, name: &str, content: &str) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    async fn apply(&self) -> Report {
        self.setup.apply_folder(self.path(), false).await.unwrap()
    }

    async fn problems(&self) -> Vec<String> {
        let before = Records::load(&*self.store).await.unwrap();
        let Err(ApplyError::Problems(problems)) = self.setup.apply_folder(self.path(), false).await
        else {
            panic!("there are no problems")
        };
        assert_eq!(Records::load(&*self.store).await.unwrap(), before, "nothing changes");
        problems.iter().map(ToString::to_string).collect()
    }

    /// A secret of `files`, as a host that starts would have it.
    async fn secret(&self, name: &str) -> Option<String> {
        let opened = self.setup.vault.open(self.records().await).unwrap();
        let (_, secrets) = opened.into_iter().find(|(record, _)| record.id == "files").unwrap();
        secrets.get(name).map(str::to_owned)
    }

    async fn records(&self) -> Records {
        Records::load(&*self.store).await.unwrap()
    }
}

#[tokio::test]
async fn a_folder_becomes_records_and_a_blob() {
    let bench = Bench::with(ACME);
    let report = bench.apply().await;
    assert_eq!(report.created, ["vendor acme", "caller root", "caller shop", "endpoint files"]);
    let records = bench.records().await;
    let endpoint = &records.endpoints["files"].record;
    assert_eq!(endpoint.plugin, Digest::of(b"component").to_string());
    assert_eq!(bench.setup.blobs.get(&Digest::of(b"component")).unwrap(), b"component");
    assert_eq!((endpoint.plugin_name.as_str(), endpoint.vendor.as_str()), ("files", "acme"));
    assert_eq!(bench.secret("key").await.as_deref(), Some("hush"));
    let shop = &records.callers["shop"].record;
    assert_eq!(shop.role, Role::Marketplace);
    assert_eq!(shop.endpoints, EndpointAccess::List(["files".to_owned()].into()));
    let hash = Passwords::parse(&shop.password_hash).unwrap();
    assert!(Passwords::new(&bench.setup.config.auth).unwrap().verify("shop password", &hash));
    let events = bench.store.changes(Partition::SETUP, 0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    let event = String::from_utf8_lossy(&events[0].value).into_owned();
    assert!(event.contains("endpoint files") && !event.contains("argon2"), "{event}");
}

#[tokio::test]
async fn applying_twice_changes_nothing() {
    let bench = Bench::with(ACME);
    bench.apply().await;
    let before = bench.records().await;
    let report = bench.apply().await;
    assert!(report.created.is_empty() && report.changed.is_empty(), "{report:?}");
    assert_eq!(report.unchanged.len(), 4);
    assert_eq!(bench.records().await, before);
}

#[tokio::test]
async fn a_dry_run_tells_all_and_writes_nothing() {
    let bench = Bench::with(ACME);
    let report = bench.setup.apply_folder(bench.path(), true).await.unwrap();
    assert!(report.dry_run && report.created.len() == 4);
    assert!(bench.records().await.is_empty());
    assert!(bench.setup.blobs.get(&Digest::of(b"component")).is_err());
}

#[tokio::test]
async fn changes_are_told_field_by_field_without_secrets() {
    let bench = Bench::with(ACME);
    bench.apply().await;
    let changed = ACME
        .replace("correct horse", "battery staple")
        .replace("\"eu\"", "\"us\"")
        .replace("plugin =", "mode = \"live\"\nplugin =");
    bench.file("acme.toml", &changed);
    bench.file("files.wasm", "component 2");
    let report = bench.apply().await;
    let told = serde_json::to_string(&report.changed).unwrap();
    assert!(told.contains(r#"{"field":"password","before":null,"after":null}"#), "{told}");
    assert!(told.contains(r#"{"field":"config.region","before":"eu","after":"us"}"#), "{told}");
    assert!(told.contains(r#"{"field":"mode","before":"sandbox","after":"live"}"#), "{told}");
    assert!(told.contains(r#""field":"plugin","#), "{told}");
    for secret in ["argon2", "battery", "correct", "hush"] {
        assert!(!told.contains(secret), "{told}");
    }
    let before = bench.records().await;
    assert!(bench.apply().await.changed.is_empty());
    assert_eq!(bench.records().await, before);
}

#[tokio::test]
async fn what_is_not_declared_stays_and_is_named() {
    let bench = Bench::with(ACME);
    bench.apply().await;
    let more = "[callers.help]\nrole = \"auditor\"\nendpoints = [\"files\"]\npassword = \"help password\"\n";
    bench.file("acme.toml", more);
    let report = bench.apply().await;
    assert_eq!(report.created, ["caller help"]);
    assert_eq!(report.kept, ["vendor acme", "caller root", "caller shop", "endpoint files"]);
    assert_eq!(bench.records().await.callers.len(), 3);
}

#[tokio::test]
async fn all_problems_are_told_at_once_with_file_and_key() {
    let bench = Bench::new();
    bench.file("bad.wasm", "bad");
    bench.file("b.toml", "[vendors.acme]\n[vendors.Acme]\n[vendor.x]\n");
    bench.file("c.toml", "[vendors\npassword = \"hush-hush\"");
    bench.file("d.txt", "not looked at");
    bench.file(
        "a.toml",
        r#"
[vendors.acme]
nam = "Acme"
[callers.bob]
role = "boss"
password = "short"
[callers.eve]
role = "vendor"
endpoints = ["nowhere", "files"]
password = "long enough"
password_env = "EVE"
[callers.tom]
role = "marketplace"
vendor = "acme"
password_file = "missing.password"
[callers.tim]
role = "auditor"
endpoints = ["*", "files"]
password_hash = "$2b$10$hush"
[endpoints.files]
vendor = "umbrella"
plugin = "bad.wasm"
mode = "dead"
config = { retries = 3 }
secrets.key = { path = "x" }
secrets.gone = { file = "gone" }
limits = { cpu_ms = 0, concurrency_max = 9999, calls = 3 }
[[endpoints.files.grants]]
url = "https://*.com"
secrets = ["other"]
[endpoints.more]
plugin = "missing.wasm"
"#,
    );
    let problems = bench.problems().await;
    for expected in [
        "a.toml: vendors.acme.nam is not known; there is name",
        "a.toml: callers.bob.role is \"boss\"; it must be one of \"operator\"",
        "a.toml: callers.bob.password holds a password of 5 bytes",
        "a.toml: callers.eve.vendor is missing",
        "a.toml: callers.eve.password is given 2 times",
        "a.toml: callers.eve.endpoints names the endpoint \"nowhere\"",
        "a.toml: callers.eve.endpoints lists \"files\", which belongs to vendor \"umbrella\"",
        "a.toml: callers.tom.vendor is only for callers of role \"vendor\"",
        "a.toml: callers.tom.endpoints is missing",
        "a.toml: callers.tom.password_file cannot be read",
        "a.toml: callers.tim.endpoints has \"*\" beside others",
        "a.toml: callers.tim.password_hash cannot be used",
        "a.toml: endpoints.files.vendor names the vendor \"umbrella\"",
        "a.toml: endpoints.files.plugin is ",
        "a.toml: endpoints.files.mode is \"dead\"",
        "a.toml: endpoints.files.config.retries is a TOML integer",
        "a.toml: endpoints.files.secrets.key must say where the secret is",
        "a.toml: endpoints.files.secrets.gone cannot be read",
        "a.toml: endpoints.files.limits.cpu_ms is 0",
        "a.toml: endpoints.files.limits.concurrency_max is 9999; the host gives at most 64",
        "a.toml: endpoints.files.limits.calls is not known",
        "a.toml: endpoints.files.grants[0].url is a wildcard over a whole top-level domain",
        "a.toml: endpoints.files.grants[0].secrets names \"other\"",
        "a.toml: endpoints.more.vendor is missing",
        "a.toml: endpoints.more.plugin is ",
        "b.toml: vendors.acme is already in a.toml",
        "b.toml: vendors.Acme has a name that cannot be used",
        "b.toml: vendor is not known; there is vendors, callers, endpoints",
        "c.toml: is not valid TOML: line 1",
    ] {
        let count = problems.iter().filter(|problem| problem.starts_with(expected)).count();
        assert_eq!(count, 1, "{expected} in {problems:#?}");
    }
    assert_eq!(problems.len(), 29, "{problems:#?}");
    assert!(!problems.iter().any(|problem| problem.contains("hush")), "{problems:#?}");
}

#[tokio::test]
async fn a_folder_that_is_missing_or_empty_is_a_problem() {
    let bench = Bench::new();
    assert!(bench.problems().await[0].contains("has no file that ends in .toml"));
    let missing = bench.setup.apply_folder(Path::new("/nowhere").to_owned(), false).await;
    let Err(ApplyError::Problems(problems)) = missing else { panic!() };
    assert!(problems[0].to_string().starts_with("/nowhere: cannot be read"));
}

#[tokio::test]
async fn references_may_go_to_the_store() {
    let bench = Bench::with(ACME);
    bench.apply().await;
    bench.file("acme.toml", "[callers.ann]\nrole = \"vendor\"\nvendor = \"acme\"\nendpoints = [\"files\"]\npassword = \"ann password\"\n");
    assert_eq!(bench.apply().await.created, ["caller ann"]);
}

#[tokio::test]
async fn a_secret_is_handed_over_once() {
    let bench = Bench::with(ACME);
    bench.apply().await;
    std::fs::remove_file(bench.path().join("key")).unwrap();
    let before = bench.records().await;
    let report = bench.apply().await;
    assert!(report.changed.is_empty(), "{report:?}");
    assert!(report.warnings[0].contains("the secret that is kept stays"), "{report:?}");
    assert_eq!(bench.records().await, before);
    assert_eq!(bench.secret("key").await.as_deref(), Some("hush"));
    // One that was never handed over, and one that is there and is none.
    let env = ACME.replace("secrets.key", "secrets.more = { env = \"CNSP_NOT_SET\" }\nsecrets.key");
    bench.file("acme.toml", &env);
    bench.file("key", "");
    let problems = bench.problems().await;
    assert!(problems[0].contains("secrets.key cannot be read: the file"), "{problems:?}");
    assert!(problems[1].contains("secrets.more cannot be read: the variable CNSP_NOT_SET"));
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[tokio::test]
async fn secrets_are_compared_and_told_without_their_values() {
    let bench = Bench::with(ACME);
    bench.file("more", "sesame");
    bench.apply().await;
    let change = |field: &str, before: Option<&str>, after: Option<&str>| FieldChange {
        field: field.into(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    let more = ACME.replace("secrets.key", "secrets.more = { file = \"more\" }\nsecrets.key");
    bench.file("acme.toml", &more);
    bench.file("key", "hushhush");
    let version = bench.records().await.endpoints["files"].version;
    let dry = bench.setup.apply_folder(bench.path(), true).await.unwrap();
    assert_eq!(bench.secret("key").await.as_deref(), Some("hush"));
    let report = bench.apply().await;
    let expected = [change("secrets.key", None, None), change("secrets.more", None, Some("kept"))];
    assert_eq!(
        (&report.changed[0].record[..], &report.changed[0].fields[..]),
        ("endpoint files", &expected[..])
    );
    assert_eq!((dry.changed, report.changed.len()), (report.changed.clone(), 1));
    assert_eq!(bench.secret("key").await.as_deref(), Some("hushhush"));
    assert_eq!(bench.secret("more").await.as_deref(), Some("sesame"));
    assert_eq!(bench.records().await.endpoints["files"].version, version, "it is the same");

    bench.file("acme.toml", ACME);
    let report = bench.apply().await;
    assert_eq!(report.changed[0].fields, [change("secrets.more", Some("kept"), None)]);
    assert_eq!(bench.secret("more").await, None);
    assert_eq!(bench.records().await.secrets["files"].len(), 1);
    let events = bench.store.changes(Partition::SETUP, 0, 10).await.unwrap();
    assert_eq!(events.len(), 3);
    for event in events {
        let event = String::from_utf8_lossy(&event.value).into_owned();
        assert!(!event.contains("hush") && !event.contains("sesame"), "{event}");
    }
}

#[tokio::test]
async fn a_secret_whose_key_is_lost_can_be_handed_over_again() {
    let bench = Bench::with(ACME);
    bench.apply().await;
    let keys = bench.setup.blobs.secret_keys_path();
    std::fs::remove_file(&keys).unwrap();
    assert!(bench.setup.vault.open(bench.records().await).is_err());
    // Not by a dry run, and not where it is not there.
    let dry = bench.setup.apply_folder(bench.path(), true).await.unwrap();
    assert!(dry.warnings[0].contains("kept anew, since the secret `key`"), "{dry:?}");
    std::fs::rename(bench.path().join("key"), bench.path().join("away")).unwrap();
    assert!(bench.problems().await[0].contains("endpoints.files.secrets.key is not there"));
    assert!(!keys.exists());
    std::fs::rename(bench.path().join("away"), bench.path().join("key")).unwrap();
    assert_eq!(bench.apply().await.changed.len(), 1);
    assert_eq!(bench.secret("key").await.as_deref(), Some("hush"));
}

#[tokio::test]
async fn a_declared_hash_must_cost_what_the_host_pays() {
    let passwords = |bench: &Bench, set: u32| {
        let auth = crate::config::Auth { argon2_passes: set, ..bench.setup.config.auth.clone() };
        Passwords::new(&auth).unwrap().hash("correct horse").unwrap()
    };
    let bench = Bench::new();
    let declare = |hash: &str| {
        let text = format!("[callers.root]\nrole = \"operator\"\npassword_hash = \"{hash}\"\n");
        bench.file("a.toml", &text);
    };
    declare(&passwords(&bench, 2));
    assert!(bench.problems().await[0].contains("make it with m=8,t=1,p=1"));
    declare(&passwords(&bench, 1));
    assert_eq!(bench.apply().await.created, ["caller root"]);
    assert_eq!(bench.apply().await.unchanged, ["caller root"]);
}

#[tokio::test]
async fn too_much_for_one_transaction_is_a_problem() {
    let bench = Bench::new();
    let text: String = (0..513).map(|n| format!("[vendors.v{n}]\n")).collect();
    bench.file("a.toml", &text);
    assert!(bench.problems().await[0].contains("split the folder"));
}
