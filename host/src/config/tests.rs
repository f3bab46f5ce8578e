use super::*;
use std::ffi::OsString;
use std::path::Path;

fn load(flags: Flags, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment: Vec<(OsString, OsString)> =
        environment.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect();
    Config::from_layers(&flags, environment).map_err(|e| e.to_string())
}

fn set(assignments: &[&str]) -> Flags {
    Flags { set: assignments.iter().map(|s| (*s).to_owned()).collect(), ..Flags::default() }
}

fn file(text: &str) -> (tempfile::TempDir, Flags) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.toml");
    std::fs::write(&path, text).unwrap();
    (folder, Flags { file: Some(path), ..Flags::default() })
}

#[test]
fn defaults_load() {
    let config = load(Flags::default(), &[("PATH", "/bin")]).unwrap();
    assert_eq!(config.listen.port(), 8080);
    assert!(config.auth.verify_concurrency_max >= 1);
    assert!(config.data.is_absolute());
}

#[test]
fn later_layers_win() {
    let (_folder, mut flags) = file("[http]\nbody_bytes_max = 2000\nheader_count_max = 50\n");
    flags.set = vec!["http.body_bytes_max=4000".to_owned()];
    let config = load(flags, &[("CNSP_HTTP__BODY_BYTES_MAX", "3000")]).unwrap();
    assert_eq!((config.http.body_bytes_max, config.http.header_count_max), (4000, 50));
}

#[test]
fn text_that_looks_like_a_number_stays_text() {
    let config = load(Flags::default(), &[("CNSP_DATA", "/1234")]).unwrap();
    assert_eq!(config.data, Path::new("/1234"));
}

#[test]
fn unknown_keys_name_themselves_and_their_source() {
    let (folder, flags) = file("[http]\nbody_bytes = 2000\n");
    let path = folder.path().join("host.toml");
    let expected = format!("http.body_bytes (from {}) is no setting", path.display());
    assert!(load(flags, &[]).unwrap_err().starts_with(&expected));
    let error = load(Flags::default(), &[("CNSP_HTP__X", "1")]).unwrap_err();
    assert!(error.starts_with("htp.x (from the variable CNSP_HTP__X) is no setting"), "{error}");
    let error = load(set(&["http=3"]), &[]).unwrap_err();
    assert!(error.starts_with("http (from --set) is a section"), "{error}");
}

#[test]
fn wrong_values_name_their_key_and_source() {
    let error = load(Flags::default(), &[("CNSP_HTTP__BODY_BYTES_MAX", "1MB")]).unwrap_err();
    let expected = "http.body_bytes_max (from the variable CNSP_HTTP__BODY_BYTES_MAX) ";
    assert!(error.starts_with(expected), "{error}");
    let error = load(set(&["http.body_bytes_max=-1"]), &[]).unwrap_err();
    assert!(error.starts_with("http.body_bytes_max (from --set) "), "{error}");
    let error = load(set(&["log.format=xml"]), &[]).unwrap_err();
    assert!(error.contains("log.format") && error.contains("human"), "{error}");
    let error = load(set(&["calls.concurrency_max=0"]), &[]).unwrap_err();
    assert!(error.contains("must be 1 to 10000"), "{error}");
    let error = load(set(&["secrets.key_file=keys"]), &[]).unwrap_err();
    assert!(error.starts_with("secrets.key_file (from --set) is no absolute path"), "{error}");
    let both = set(&["secrets.key_file=/keys", "secrets.key_variable=KEYS"]);
    assert!(load(both, &[]).unwrap_err().contains("keep the keys in one place"));
    let (_folder, flags) = file("listen = 8080\n");
    assert!(load(flags, &[]).unwrap_err().starts_with("listen (from "));
    let (_folder, flags) = file("listen = \"localhost\"\n");
    assert!(load(flags, &[]).unwrap_err().contains("listen (from "));
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let flags = Flags { file: Some("/nowhere/host.toml".into()), ..Flags::default() };
    assert!(load(flags, &[]).unwrap_err().contains("/nowhere/host.toml"));
    let (_folder, flags) = file("[http\n");
    let error = load(flags, &[]).unwrap_err();
    assert!(error.contains("host.toml") && error.contains("line 1"), "{error}");
}
