//! What is tested: the `cnsp` program and the compiled guests, and what their source says.

use std::path::PathBuf;
use std::process::Command;

/// `target/`, from where the test runs: in `target/PROFILE/deps`, a benchmark in `target/PROFILE`.
///
/// # Panics
/// When it runs elsewhere.
pub fn target() -> PathBuf {
    profile().parent().expect("a test lies in target/PROFILE").to_owned()
}

/// `target/PROFILE`, from where the test runs.
fn profile() -> PathBuf {
    let executable = std::env::current_exe().expect("a test knows where it lies");
    let folder = executable.parent().expect("it lies in a folder");
    if folder.ends_with("deps") { folder.parent().expect("…/PROFILE/deps") } else { folder }
        .to_owned()
}

/// The `cnsp` program: of `CNSP_BIN`, else of the profile that the test is of.
///
/// # Panics
/// When it was not built.
pub fn program() -> PathBuf {
    let program = match std::env::var_os("CNSP_BIN") {
        Some(program) => PathBuf::from(program),
        None => profile().join("cnsp"),
    };
    let text = "there is no host to test: run `cargo build -p cnsp` first, or name one in CNSP_BIN";
    assert!(program.is_file(), "{text} ({} is missing)", program.display());
    program
}

/// A number of `config.default.toml`, by its key's last part.
///
/// # Panics
/// When there is none of that name.
pub fn default_of(key: &str) -> u64 {
    let settings = include_str!("../../host/config.default.toml");
    let line = settings.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
    let value = line.unwrap_or_else(|| panic!("there is no setting {key}"));
    value.trim().parse().expect("it is a number")
}

/// The folder of compiled guests.
///
/// # Panics
/// When they were not built.
pub fn plugins() -> PathBuf {
    let plugins = target().join("plugins");
    let text = "the guests are not built: run `cargo run -p cnsp -- plugin build` first";
    assert!(plugins.join("sandbox.wasm").is_file(), "{text} ({})", plugins.display());
    plugins
}

/// A compiled guest that only the tests use, by its crate's name.
///
/// # Panics
/// When it was not built.
pub fn fixture(name: &str) -> PathBuf {
    let fixture = target().join("plugins/fixtures").join(name).with_extension("wasm");
    let text = "a guest of the tests is not built: run `make fixtures` first";
    assert!(fixture.is_file(), "{text} ({})", fixture.display());
    fixture
}

/// The program, with none of our variables but these.
pub fn command(env: &[(String, String)]) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CNSP_") {
            command.env_remove(name);
        }
    }
    command.envs(env.iter().map(|(name, value)| (name, value)));
    command
}
