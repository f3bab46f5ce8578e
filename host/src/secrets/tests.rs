use super::rotate::{COMMIT_COUNT, begin, reseal, stale};
use super::*;
use crate::limits::OwnLimits;
use crate::store::setup::{Mode, SecretRecord, Stored, endpoint_key, secret_key};
use crate::store::{Operation, Partition, SledOptions, SledStore, Tx};
use proptest::prelude::*;
use std::path::PathBuf;

const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

struct Bench {
    folder: tempfile::TempDir,
    store: Arc<SledStore>,
    blobs: Arc<Blobs>,
    vault: Arc<Vault>,
}

impl Bench {
    /// With an endpoint `files`, and the host's own keys.
    async fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let options = SledOptions::new(folder.path().join("store"));
        let store = Arc::new(SledStore::open(options).unwrap());
        let blobs = Arc::new(Blobs::open(folder.path()).unwrap());
        let vault = Arc::new(Vault { place: Place::Own(blobs.clone()) });
        let bench = Bench { folder, store, blobs, vault };
        bench.put(vec![endpoint_put(BTreeMap::new())]).await;
        bench
    }

    async fn put(&self, operations: Vec<Operation>) {
        let tx = Tx { operations, ..Tx::new(Partition::SETUP) };
        self.store.commit(tx).await.unwrap();
    }

    /// Keeps this many secrets of `files`, sealed with the first key of a vault.
    async fn keep(&self, vault: &Vault, count: usize) {
        let keys = vault.keys().unwrap();
        vault.keep(&keys).unwrap();
        for number in 0..count {
            let name = format!("s{number}");
            let record = keys.seal("files", &name, &format!("hush-{number}")).unwrap();
            let key = secret_key("files", &name);
            self.put(vec![crate::store::json::put(key, &record).unwrap()]).await;
        }
    }

    /// A vault whose keys lie in a file of the operator's.
    fn given(&self, text: &str) -> Arc<Vault> {
        let path = self.folder.path().join("given");
        std::fs::write(&path, text).unwrap();
        Arc::new(Vault { place: Place::Given(SecretSource::File(path)) })
    }

    async fn opened(&self, vault: &Vault) -> anyhow::Result<Secrets> {
        let mut all = vault.open(Records::load(&*self.store).await.unwrap())?;
        Ok(all.pop().unwrap().1)
    }

    /// That this many open with the host's own keys.
    async fn all_open(&self, count: usize) {
        let secrets = self.opened(&self.vault).await.unwrap();
        assert_eq!(secrets.values().count(), count);
        for number in 0..count {
            assert_eq!(secrets.get(&format!("s{number}")).unwrap(), format!("hush-{number}"));
        }
    }

    fn own_keys(&self) -> Vec<String> {
        let text = self.blobs.secret_keys().unwrap().unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn endpoint_put(secret_references: BTreeMap<String, SecretSource>) -> Operation {
    let record = EndpointRecord {
        id: "files".into(),
        vendor: "acme".into(),
        plugin: "ab".repeat(32),
        plugin_name: "files".into(),
        plugin_version: None,
        mode: Mode::Sandbox,
        config: BTreeMap::new(),
        secret_references,
        grants: Vec::new(),
        ca_pem: None,
        certificate_sha256: Default::default(),
        limits: OwnLimits::default(),
        drift_check_s: None,
    };
    crate::store::json::put(endpoint_key("files"), &record).unwrap()
}

fn parse(text: &str) -> anyhow::Result<Keys> {
    Keys::parse(&Place::Given(SecretSource::File(PathBuf::from("/keys"))), text)
}

#[test]
fn a_secret_opens_at_its_place_only() {
    let keys = parse(ONE).unwrap();
    let record = keys.seal("files", "token", "hush").unwrap();
    assert_eq!(keys.open("files", "token", &record).unwrap().as_str(), "hush");
    for (endpoint, name) in [("other", "token"), ("files", "tokens"), ("files\0token", "")] {
        let error = keys.open(endpoint, name, &record).unwrap_err().to_string();
        assert!(error.contains("made for another place"), "{error}");
    }
    let error = parse(TWO).unwrap().open("files", "token", &record).unwrap_err().to_string();
    let expected = format!(
        "the secret `token` of endpoint `files` is sealed with the key {}, which the file /keys does not have; \
         put that key back there",
        record.key
    );
    assert!(error.starts_with(&expected), "{error}");
    // A key that only claims to be the one.
    let forged = SecretRecord { key: parse(TWO).unwrap().first_id().into(), ..record };
    assert!(parse(TWO).unwrap().open("files", "token", &forged).is_err());
}

#[test]
fn the_first_key_seals_and_all_open() {
    let both = parse(&format!("\n{TWO}\r\n  {ONE}\n\n")).unwrap();
    let old = parse(ONE).unwrap().seal("files", "token", "hush").unwrap();
    assert_eq!(both.open("files", "token", &old).unwrap().as_str(), "hush");
    let new = both.seal("files", "token", "hush").unwrap();
    assert_eq!(parse(TWO).unwrap().open("files", "token", &new).unwrap().as_str(), "hush");
    assert!(parse(ONE).unwrap().open("files", "token", &new).is_err());
    assert_eq!(parse(&both.text()).unwrap().text(), both.text());
}

#[test]
fn what_is_no_key_is_refused_without_being_shown() {
    for (text, expected) in [
        ("", "/keys has no key"),
        ("\n \n", "/keys has no key"),
        (&format!("{ONE}\n{}", &ONE[1..]), "line 2 of the file /keys is no key"),
        (&format!("{ONE}1"), "line 1 of the file /keys is no key"),
        (&ONE.replace('1', "g"), "line 1 of the file /keys is no key"),
        (&format!("{ONE}\n").repeat(65), "/keys has 65 keys; it may have 64"),
    ] {
        let error = format!("{:#}", parse(text).err().unwrap());
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("1111") && !error.contains("gggg"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_keys_or_refused(text in "[0-9a-fA-F\\s]{0,200}|.{0,80}") {
        if let Ok(keys) = parse(&text) {
            let record = keys.seal("e", "n", "hush").unwrap();
            let opened = keys.open("e", "n", &record).unwrap();
            prop_assert_eq!(opened.as_str(), "hush");
        }
    }

    #[test]
    fn what_is_kept_is_as_long_as_a_record_may_be(length in 1..=SECRET_BYTES_MAX) {
        let record = parse(ONE).unwrap().seal("e", "n", &"x".repeat(length)).unwrap();
        prop_assert!(serde_json::to_vec(&record).unwrap().len() <= RECORD_BYTES_MAX);
    }
}

#[tokio::test]
async fn a_rotation_that_is_cut_short_leaves_what_opens_and_is_ended_by_the_next() {
    let bench = Bench::new().await;
    let count = COMMIT_COUNT + 2;
    bench.keep(&bench.vault, count).await;
    let first = bench.own_keys();
    assert_eq!(first.len(), 1);

    // Cut short when the new key is there.
    let keys = begin(&bench.vault, &*bench.store).await.unwrap();
    let both = bench.own_keys();
    assert_eq!((both.len(), &both[1]), (2, &first[0]));
    bench.all_open(count).await;
    // The next one goes on with that key.
    let keys_again = begin(&bench.vault, &*bench.store).await.unwrap();
    assert_eq!(keys_again.first_id(), keys.first_id());
    assert_eq!(bench.own_keys(), both);

    // Cut short when some are sealed with it.
    let stale_now = stale(&keys, &*bench.store).await.unwrap();
    assert_eq!(stale_now.len(), count);
    reseal(&keys, &stale_now[..COMMIT_COUNT], &*bench.store).await.unwrap();
    bench.all_open(count).await;
    // What was read before that is not written over it.
    assert!(reseal(&keys, &stale_now[..1], &*bench.store).await.is_err());

    // Cut short when all are, and the old key is still there.
    let left = stale(&keys, &*bench.store).await.unwrap();
    assert_eq!(left.len(), 2);
    reseal(&keys, &left, &*bench.store).await.unwrap();
    bench.all_open(count).await;
    assert_eq!(bench.own_keys(), both);

    let rotated = rotate(&bench.vault, &*bench.store).await.unwrap();
    assert_eq!((rotated.secrets, rotated.resealed, rotated.old_keys.len()), (count, 0, 1));
    assert_eq!((rotated.key.as_str(), rotated.keys_in), (keys.first_id(), None));
    assert_eq!(bench.own_keys(), both[..1]);
    bench.all_open(count).await;

    // And a whole one.
    let rotated = rotate(&bench.vault, &*bench.store).await.unwrap();
    assert_eq!((rotated.resealed, rotated.old_keys), (count, vec![keys.first_id().to_owned()]));
    bench.all_open(count).await;
    let listed = list(&*bench.store, Some("files")).await.unwrap();
    assert!(listed.len() == count && listed.iter().all(|one| one.key == rotated.key));
    assert!(list(&*bench.store, Some("nowhere")).await.is_err());
}

#[tokio::test]
async fn a_rotation_without_secrets_makes_no_key() {
    let bench = Bench::new().await;
    let rotated = rotate(&bench.vault, &*bench.store).await.unwrap();
    assert_eq!((rotated.secrets, rotated.resealed), (0, 0));
    assert!(bench.blobs.secret_keys().unwrap().is_none());
}

#[tokio::test]
async fn a_rotation_that_lacks_a_key_changes_nothing() {
    let bench = Bench::new().await;
    bench.keep(&bench.given(ONE), 3).await;
    let before = Records::load(&*bench.store).await.unwrap();
    for vault in [&bench.vault, &bench.given(TWO)] {
        let error = format!("{:#}", rotate(vault, &*bench.store).await.unwrap_err());
        assert!(error.contains("nothing was changed: the secret `s0`"), "{error}");
    }
    assert!(bench.blobs.secret_keys().unwrap().is_none());
    assert_eq!(Records::load(&*bench.store).await.unwrap(), before);
}

#[tokio::test]
async fn the_operators_keys_stay_the_operators() {
    let bench = Bench::new().await;
    bench.keep(&bench.given(ONE), 3).await;
    let both = bench.given(&format!("{TWO}\n{ONE}\n"));
    let rotated = rotate(&both, &*bench.store).await.unwrap();
    assert_eq!((rotated.resealed, rotated.old_keys.len()), (3, 1));
    assert!(rotated.keys_in.unwrap().contains("given"));
    let text = std::fs::read_to_string(bench.folder.path().join("given")).unwrap();
    assert_eq!(text, format!("{TWO}\n{ONE}\n"));
    assert_eq!(bench.opened(&bench.given(TWO)).await.unwrap().values().count(), 3);
    assert!(bench.opened(&bench.given(ONE)).await.is_err());
    let again = rotate(&bench.given(TWO), &*bench.store).await.unwrap();
    assert_eq!((again.resealed, again.old_keys.len()), (0, 0));
}

#[tokio::test]
async fn references_of_a_host_before_are_read_once() {
    let bench = Bench::new().await;
    let path = bench.folder.path().join("token");
    let references = BTreeMap::from([("s0".to_owned(), SecretSource::File(path.clone()))]);
    bench.put(vec![endpoint_put(references)]).await;
    let error = take_over_references(&bench.vault, &*bench.store).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("the secret `s0` of endpoint `files` has to be read once more"),
        "{error}"
    );
    std::fs::write(&path, "hush-0\n").unwrap();
    take_over_references(&bench.vault, &*bench.store).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let records = Records::load(&*bench.store).await.unwrap();
    assert!(records.endpoints["files"].record.secret_references.is_empty());
    bench.all_open(1).await;
    take_over_references(&bench.vault, &*bench.store).await.unwrap();
    assert_eq!(Records::load(&*bench.store).await.unwrap(), records);
}

#[tokio::test]
async fn a_take_over_that_was_cut_short_goes_on() {
    let bench = Bench::new().await;
    bench.keep(&bench.vault, 1).await;
    let path = bench.folder.path().join("s1");
    std::fs::write(&path, "hush-1").unwrap();
    let gone = SecretSource::File(bench.folder.path().join("gone"));
    let references =
        BTreeMap::from([("s0".to_owned(), gone), ("s1".to_owned(), SecretSource::File(path))]);
    bench.put(vec![endpoint_put(references)]).await;
    take_over_references(&bench.vault, &*bench.store).await.unwrap();
    bench.all_open(2).await;
}

#[tokio::test]
async fn a_secret_that_was_put_in_anothers_place_stops_the_start() {
    let bench = Bench::new().await;
    bench.keep(&bench.vault, 1).await;
    let moved: Stored<SecretRecord> =
        Records::load(&*bench.store).await.unwrap().secrets["files"]["s0"].clone();
    let at = secret_key("files", "s1");
    bench.put(vec![crate::store::json::put(at, &moved.record).unwrap()]).await;
    let error = bench.opened(&bench.vault).await.err().unwrap().to_string();
    assert!(error.contains("`s1` of endpoint `files` does not open"), "{error}");
    assert!(!error.contains("hush"), "{error}");
}
