//! A folder of TOML files as one declaration.

use super::fields::Fields;
use super::{Problem, records};
use crate::config::SecretSource;
use crate::store::setup::{EndpointAccess, EndpointRecord, Role, VendorRecord};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest file of a set-up.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// The longest id of a vendor, a caller or an endpoint.
const ID_BYTES_MAX: usize = 64;

/// What is declared, by id, each with the file that says it.
#[derive(Default)]
pub(crate) struct Declaration {
    pub(crate) vendors: BTreeMap<String, Declared<VendorRecord>>,
    pub(crate) callers: BTreeMap<String, Declared<DeclaredCaller>>,
    pub(crate) endpoints: BTreeMap<String, Declared<DeclaredEndpoint>>,
}

/// Something with the name of its file.
pub(crate) struct Declared<T> {
    pub(crate) file: String,
    pub(crate) value: T,
}

/// A caller with the password that it shall have.
pub(crate) struct DeclaredCaller {
    pub(crate) role: Role,
    pub(crate) vendor: Option<String>,
    pub(crate) endpoints: EndpointAccess,
    pub(crate) password: Password,
}

/// A password, or what is left of one.
pub(crate) enum Password {
    Clear(Zeroizing<String>),
    /// argon2id in PHC form.
    Hash(String),
}

/// An endpoint whose plugin is still a file.
pub(crate) struct DeclaredEndpoint {
    /// `plugin` is empty until the file was read.
    pub(crate) record: EndpointRecord,
    pub(crate) plugin: PathBuf,
    /// Where its secrets are handed over, by name.
    pub(crate) secrets: BTreeMap<String, SecretSource>,
}

/// Reads all `*.toml` of a folder. What has a problem is there as well, as good as it goes, so that
/// references to it are no problems of their own.
pub(super) fn read_folder(folder: &Path) -> (Declaration, Vec<Problem>) {
    let mut declaration = Declaration::default();
    let mut problems = Vec::new();
    let shown = folder.display().to_string();
    match list(folder) {
        Err(error) => problems.push(Problem {
            file: shown,
            key: String::new(),
            text: format!("cannot be read: {error}; name a folder of TOML files"),
        }),
        Ok(files) if files.is_empty() => problems.push(Problem {
            file: shown,
            key: String::new(),
            text: "has no file that ends in .toml; name the folder that has them".to_owned(),
        }),
        Ok(files) => {
            for path in files {
                read_file(folder, &path, &mut declaration, &mut problems);
            }
        }
    }
    (declaration, problems)
}

fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden
            && path.extension().is_some_and(|extension| extension == "toml")
            && path.is_file()
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(
    folder: &Path,
    path: &Path,
    declaration: &mut Declaration,
    problems: &mut Vec<Problem>,
) {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match load(path) {
        Ok(text) => read_text(folder, &file, &text, declaration, problems),
        Err(text) => problems.push(Problem { file, key: String::new(), text }),
    }
}

/// Reads what is in a file. `folder` is where its paths start.
pub(super) fn read_text(
    folder: &Path,
    file: &str,
    text: &str,
    declaration: &mut Declaration,
    problems: &mut Vec<Problem>,
) {
    let table = match parse(text) {
        Ok(table) => table,
        Err(text) => {
            return problems.push(Problem { file: file.to_owned(), key: String::new(), text });
        }
    };
    let mut top = Fields::new(file, String::new(), table, problems);
    for (id, value) in top.table("vendors") {
        let key = format!("vendors.{id}");
        check_id(&mut top, &key, &id);
        if let Some(fields) = top.enter(&key, value) {
            let vendor = records::vendor(fields, &id);
            insert(&mut top, &mut declaration.vendors, file, &key, id, vendor);
        }
    }
    for (id, value) in top.table("callers") {
        let key = format!("callers.{id}");
        check_id(&mut top, &key, &id);
        if let Some(fields) = top.enter(&key, value) {
            let caller = records::caller(fields, folder);
            insert(&mut top, &mut declaration.callers, file, &key, id, caller);
        }
    }
    for (id, value) in top.table("endpoints") {
        let key = format!("endpoints.{id}");
        check_id(&mut top, &key, &id);
        if let Some(fields) = top.enter(&key, value) {
            let endpoint = records::endpoint(fields, folder, &id);
            insert(&mut top, &mut declaration.endpoints, file, &key, id, endpoint);
        }
    }
    top.finish();
}

fn load(path: &Path) -> Result<Zeroizing<String>, String> {
    let bytes = std::fs::metadata(path).map_err(|e| format!("cannot be read: {e}"))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("has {bytes} bytes; a file of a set-up has at most {FILE_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}"))?;
    Ok(Zeroizing::new(text))
}

fn parse(text: &str) -> Result<toml::Table, String> {
    text.parse().map_err(|error: toml::de::Error| {
        // Not the whole report: it shows the line, and the line may hold a password.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("is not valid TOML: line {line}: {}", error.message())
    })
}

fn insert<T>(
    top: &mut Fields<'_>,
    all: &mut BTreeMap<String, Declared<T>>,
    file: &str,
    key: &str,
    id: String,
    value: T,
) {
    if let Some(first) = all.get(&id) {
        let text = format!("is already in {}; declare it once", first.file);
        return top.problem(key, text);
    }
    all.insert(id, Declared { file: file.to_owned(), value });
}

fn check_id(top: &mut Fields<'_>, key: &str, id: &str) {
    if !is_id(id) {
        let text = format!(
            "has a name that cannot be used; it takes 1 to {ID_BYTES_MAX} of a-z, 0-9 and -, a letter first"
        );
        top.problem(key, text);
    }
}

/// 1 to 64 of a-z, 0-9 and `-`, a letter first.
fn is_id(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    text.len() <= ID_BYTES_MAX
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(plain)
}

/// A path of a declaration, which starts at its folder.
pub(super) fn resolve(folder: &Path, path: &str) -> PathBuf {
    let joined = folder.join(path);
    std::path::absolute(&joined).unwrap_or(joined)
}
