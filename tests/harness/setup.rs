//! Declared set-ups: a folder of TOML files for `cnsp apply`.

use crate::handmade;
use crate::programs::{fixture, plugins};
use std::fmt::Write;
use std::path::Path;
use tempfile::TempDir;

/// A folder that is being written.
pub struct SetupFolder {
    folder: TempDir,
    text: String,
}

impl Default for SetupFolder {
    fn default() -> SetupFolder {
        let folder = tempfile::tempdir().expect("a temporary folder");
        SetupFolder { folder, text: String::new() }
    }
}

impl SetupFolder {
    /// Declares a vendor.
    pub fn vendor(self, id: &str) -> SetupFolder {
        self.text(&format!("[vendors.{id}]\nname = \"{id}\"\n"))
    }

    /// Declares an endpoint of the sandbox, with its config and its limits.
    pub fn endpoint(
        self,
        id: &str,
        vendor: &str,
        config: &[(&str, &str)],
        limits: &[(&str, u64)],
    ) -> SetupFolder {
        let plugin = plugins().join("sandbox.wasm");
        let mut text = format!("[endpoints.{id}]\nvendor = \"{vendor}\"\nplugin = {plugin:?}\n");
        let _ = writeln!(text, "[endpoints.{id}.config]");
        for (name, value) in config {
            let _ = writeln!(text, "{name:?} = {value:?}");
        }
        let _ = writeln!(text, "[endpoints.{id}.limits]");
        for (name, value) in limits {
            let _ = writeln!(text, "{name} = {value}");
        }
        self.text(&text)
    }

    /// Declares an endpoint of the vendor `acme` with a guest of `tests/fixtures`. `more` is TOML:
    /// `config = {…}`, `grants = […]`.
    pub fn fixture(self, id: &str, name: &str, more: &str) -> SetupFolder {
        let plugin = fixture(name);
        self.text(&format!("[endpoints.{id}]\nvendor = \"acme\"\nplugin = {plugin:?}\n{more}\n"))
    }

    /// Declares an endpoint of the vendor `acme` with one of our plugins. `more` is TOML, as above.
    pub fn plugin(self, id: &str, name: &str, more: &str) -> SetupFolder {
        let plugin = plugins().join(name).with_extension("wasm");
        self.text(&format!("[endpoints.{id}]\nvendor = \"acme\"\nplugin = {plugin:?}\n{more}\n"))
    }

    /// Declares an endpoint of the vendor `acme`, named after it, with a guest of `tests/fixtures/hostile`. `more`
    /// is TOML.
    pub fn handmade(self, name: &str, more: &str) -> SetupFolder {
        let id = name.replace('_', "-");
        let plugin = self.folder.path().join(name).with_extension("wasm");
        std::fs::write(&plugin, handmade::component(name)).expect("it can be written");
        self.text(&format!("[endpoints.{id}]\nvendor = \"acme\"\nplugin = {plugin:?}\n{more}\n"))
    }

    /// Declares a caller. `more` is TOML: `vendor = "…"`, `endpoints = […]`.
    pub fn caller(self, name: &str, role: &str, password: &str, more: &str) -> SetupFolder {
        self.text(&format!("[callers.{name}]\nrole = {role:?}\npassword = {password:?}\n{more}\n"))
    }

    /// Adds TOML.
    pub fn text(mut self, text: &str) -> SetupFolder {
        self.text.push_str(text);
        self.text.push('\n');
        std::fs::write(self.folder.path().join("setup.toml"), &self.text)
            .expect("it can be written");
        self
    }

    /// Adds a file of its own.
    pub fn file(self, name: &str, text: &str) -> SetupFolder {
        std::fs::write(self.folder.path().join(name), text).expect("it can be written");
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}
