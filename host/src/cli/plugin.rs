//! `cnsp plugin build`: makes components of guest crates, with whatever toolchain the machine has.

use crate::plugin::VERSION_SECTION;
use anyhow::{Context, bail};
use serde::Deserialize;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use wasm_encoder::{ComponentSection, CustomSection};

const TARGET: &str = "wasm32-unknown-unknown";
/// Where guests lie when none is named.
const GUESTS: &str = "plugins";
/// One folder for every guest, so that the standard library and the SDK are built once.
const TARGET_DIR: &str = "target/guest";
/// 64 KiB of stack: an adapter does not recurse deeply, and the host clears what a call has touched.
const RUSTFLAGS: &str = "-Clink-arg=-zstack-size=65536";
/// The `guest` profile, also for a crate outside of a workspace that has it.
const PROFILE: [&str; 7] = [
    "profile.guest.inherits=\"release\"",
    "profile.guest.opt-level=\"s\"",
    "profile.guest.lto=true",
    "profile.guest.codegen-units=1",
    "profile.guest.debug=false",
    "profile.guest.strip=\"debuginfo\"",
    "profile.guest.panic=\"abort\"",
];
/// Debian's own Rust, where `dpkg` cannot be asked.
const DEBIAN_BIN: &str = "/usr/bin";

/// Builds the guest crates in `paths`, or every one in `plugins/`, to `out/<name>.wasm`, and answers the
/// components' paths. `progress` is told what happens, line by line.
pub(crate) fn build(
    paths: &[PathBuf],
    out: &Path,
    progress: &mut dyn FnMut(&str),
) -> anyhow::Result<Vec<PathBuf>> {
    let guests = if paths.is_empty() { guests_in(Path::new(GUESTS))? } else { paths.to_vec() };
    let toolchain = Toolchain::find()?;
    progress(&format!("building for {TARGET} with {}", toolchain.cargo.display()));
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    guests.iter().map(|guest| build_one(guest, out, &toolchain, progress)).collect()
}

/// Every folder that holds a crate, in order of name.
fn guests_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| {
        format!("there is no folder `{}` here: name the crates to build", folder.display())
    })?;
    let mut guests = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        if path.join("Cargo.toml").is_file() {
            guests.push(path);
        }
    }
    guests.sort();
    if guests.is_empty() {
        bail!("there is no crate in `{}`: name the crates to build", folder.display());
    }
    Ok(guests)
}

fn build_one(
    guest: &Path,
    out: &Path,
    toolchain: &Toolchain,
    progress: &mut dyn FnMut(&str),
) -> anyhow::Result<PathBuf> {
    let manifest = fs::canonicalize(guest.join("Cargo.toml"))
        .with_context(|| format!("{} is not a crate: it has no Cargo.toml", guest.display()))?;
    let name = package_name(&manifest)?;
    progress(&format!("{name}: compiling"));
    let Built { module, version } =
        compile(&manifest, toolchain, progress).with_context(|| format!("building {name}"))?;
    let bytes = fs::read(&module)
        .with_context(|| format!("cannot read the module {}", module.display()))?;
    let component =
        encode(&bytes, &version).with_context(|| format!("making a component of {name}"))?;

    let path = out.join(format!("{name}.wasm"));
    // A component that has not changed keeps its file, so that who watches it sees no change.
    let fresh = fs::read(&path).is_ok_and(|old| old == component);
    if !fresh {
        write_whole(&path, &component)?;
    }
    progress(&format!(
        "{name} {version}: {} KB, from a module of {} KB: {}{}",
        component.len().div_ceil(1000),
        bytes.len().div_ceil(1000),
        path.display(),
        if fresh { ", unchanged" } else { "" }
    ));
    Ok(path)
}

fn package_name(manifest: &Path) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let text = fs::read_to_string(manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: Manifest = toml::from_str(&text)
        .with_context(|| format!("{} does not describe a package", manifest.display()))?;
    Ok(manifest.package.name)
}

/// What cargo has made of a guest crate.
#[derive(Debug, PartialEq, Eq)]
struct Built {
    /// Where its core module is.
    module: PathBuf,
    /// The crate's version, wherever its manifest has it from.
    version: String,
}

/// Runs cargo.
fn compile(
    manifest: &Path,
    toolchain: &Toolchain,
    progress: &mut dyn FnMut(&str),
) -> anyhow::Result<Built> {
    let mut command = Command::new(&toolchain.cargo);
    command.args(["build", "--lib", "--profile", "guest", "--target", TARGET, "--target-dir"]);
    command.arg(TARGET_DIR).arg("--manifest-path").arg(manifest);
    command.arg("--message-format=json-render-diagnostics");
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    // By variable, because a setting would give way to a RUSTFLAGS that is meant for the host.
    command.env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS);
    if let Some(own) = &toolchain.own_std {
        command.arg("-Zbuild-std=std,panic_abort");
        command.env("RUSTC", &own.rustc).env("RUSTC_BOOTSTRAP", "1");
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &own.linker);
        // Else a cargo that runs us names its own toolchain to this one.
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTDOC");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().with_context(|| format!("cannot run {}", toolchain.cargo.display()))?;

    let mut stdout = child.stdout.take().context("cargo has no output")?;
    let messages = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines() {
            progress(&line.context("cannot read what cargo says")?);
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    let messages = match messages.join() {
        Ok(text) => text.context("cannot read what cargo has built")?,
        Err(_) => bail!("cannot read what cargo has built"),
    };
    if !status.success() {
        bail!("cargo stopped with {status}; what it said is above");
    }
    built_in(&messages, manifest).context(
        "the crate has no WebAssembly module: its Cargo.toml needs `crate-type = [\"cdylib\", \"rlib\"]` \
         in `[lib]`",
    )
}

/// The module that this crate's messages name. Cargo also speaks of every crate below it.
fn built_in(messages: &str, manifest: &Path) -> Option<Built> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        #[serde(default)]
        package_id: String,
        manifest_path: Option<PathBuf>,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter(|message| message.manifest_path.as_deref() == Some(manifest))
        .find_map(|message| {
            let is_module = |file: &PathBuf| file.extension().is_some_and(|end| end == "wasm");
            let module = message.filenames.into_iter().find(is_module)?;
            Some(Built { module, version: version_in(&message.package_id)?.to_owned() })
        })
}

/// The version at the end of a package id: `path+file:///w/guest#0.1.0`, or `…#guest@0.1.0`.
fn version_in(package_id: &str) -> Option<&str> {
    let (_, package) = package_id.rsplit_once('#')?;
    Some(package.rsplit_once('@').map_or(package, |(_, version)| version))
}

/// The component, which says its version in the custom section where other tools look for it, too.
fn encode(module: &[u8], version: &str) -> anyhow::Result<Vec<u8>> {
    let mut component =
        wit_component::ComponentEncoder::default().validate(true).module(module)?.encode()?;
    CustomSection { name: VERSION_SECTION.into(), data: version.as_bytes().into() }
        .append_to_component(&mut component);
    Ok(component)
}

/// All of it or nothing: a host that watches the file never sees half a component.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let beside = path.with_extension(format!("wasm.{}.tmp", std::process::id()));
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// What builds guests on this machine.
struct Toolchain {
    cargo: PathBuf,
    /// Set where the standard library for the target has to be built too.
    own_std: Option<OwnStd>,
}

struct OwnStd {
    rustc: PathBuf,
    linker: PathBuf,
}

impl Toolchain {
    /// The ordinary toolchain, when it has the target; else Debian's, which brings the standard
    /// library's source; else what is missing, and the one command that helps.
    fn find() -> anyhow::Result<Self> {
        if has_target("rustc") {
            return Ok(Self { cargo: "cargo".into(), own_std: None });
        }
        let (Some(rustc), Some(cargo)) = (debian("rustc"), debian("cargo")) else {
            bail!(no_target());
        };
        let source = sysroot(&rustc).map(|root| root.join("lib/rustlib/src/rust/library/std"));
        if !source.is_some_and(|source| source.is_dir()) {
            bail!(no_target());
        }
        let Some(linker) = linker() else {
            bail!(
                "guests need a linker for WebAssembly, and neither rustup's `rust-lld` nor `wasm-ld` is \
                 here: apt-get install -y --no-install-recommends lld"
            );
        };
        Ok(Self { cargo, own_std: Some(OwnStd { rustc, linker }) })
    }
}

fn no_target() -> String {
    let advice = if Path::new("/etc/debian_version").exists()
        && answer("rustup", &["--version"]).is_none()
    {
        "apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src lld".to_owned()
    } else {
        format!("rustup target add {TARGET}")
    };
    format!(
        "guests need Rust's standard library for {TARGET}, and it is not here: {advice} (where rustup \
         cannot reach its server, Debian's packages rustc-web, cargo-web and rust-web-src do as well)"
    )
}

/// Whether this compiler comes with the target's standard library.
fn has_target(rustc: &str) -> bool {
    let Some(folder) = answer(rustc, &["--print", "target-libdir", "--target", TARGET]) else {
        return false;
    };
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

/// Debian's binary of this name. It does not come first on the path where there is rustup too.
fn debian(name: &str) -> Option<PathBuf> {
    let package = format!("{name}-web");
    let listed = answer("dpkg", &["-L", &package]).unwrap_or_default();
    let end = format!("/bin/{name}");
    let listed = listed.lines().find(|line| line.ends_with(&end)).map(PathBuf::from);
    [listed, Some(Path::new(DEBIAN_BIN).join(name))]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    answer(&rustc.to_string_lossy(), &["--print", "sysroot"]).map(PathBuf::from)
}

/// Rustup's own, or LLVM's.
fn linker() -> Option<PathBuf> {
    let rustup = sysroot(Path::new("rustc")).and_then(|root| {
        let version = answer("rustc", &["-vV"])?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "))?;
        Some(root.join("lib/rustlib").join(host).join("bin/rust-lld"))
    });
    let llvm = Path::new(DEBIAN_BIN).join("wasm-ld");
    [rustup, Some(llvm)].into_iter().flatten().find(|path| path.is_file())
}

/// What a command prints, when there is such a command and it succeeds.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_crates_own() {
        let messages = r#"
{"reason":"compiler-artifact","package_id":"path+file:///w/dep#0.2.0","manifest_path":"/w/dep/Cargo.toml","filenames":["/t/dep.wasm"]}
{"reason":"compiler-artifact","package_id":"path+file:///w/guest#1.2.0-rc.1+a","manifest_path":"/w/guest/Cargo.toml","filenames":["/t/libguest.rlib","/t/guest.wasm"]}
{"reason":"build-finished","success":true}"#;
        let built = |manifest| built_in(messages, Path::new(manifest));
        let guest = Built { module: "/t/guest.wasm".into(), version: "1.2.0-rc.1+a".into() };
        assert_eq!(built("/w/guest/Cargo.toml"), Some(guest));
        assert_eq!(built("/w/other/Cargo.toml"), None);
    }

    #[test]
    fn a_package_id_ends_with_the_version() {
        assert_eq!(version_in("path+file:///w/guest#0.1.0"), Some("0.1.0"));
        assert_eq!(version_in("path+file:///w@2/a#guest@0.1.0"), Some("0.1.0"));
        assert_eq!(version_in("guest 0.1.0 (path+file:///w/guest)"), None);
    }

    #[test]
    fn a_component_says_its_version() {
        let module = wat::parse_str("(module)").unwrap();
        let component = encode(&module, "1.2.0-rc.1+a").unwrap();
        assert_eq!(crate::plugin::version(&component).as_deref(), Some("1.2.0-rc.1+a"));
    }

    #[test]
    fn a_folder_without_a_crate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = guests_in(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
        fs::create_dir(folder.path().join("one")).unwrap();
        fs::write(folder.path().join("one/Cargo.toml"), "[package]\nname = \"first\"\n").unwrap();
        let guests = guests_in(folder.path()).unwrap();
        assert_eq!(guests, [folder.path().join("one")]);
        assert_eq!(package_name(&folder.path().join("one/Cargo.toml")).unwrap(), "first");
    }

    #[test]
    fn a_component_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_module_makes_no_component() {
        assert!(encode(b"not wasm", "0.1.0").is_err());
    }
}
