//! The import `config`: what the vendor set for the endpoint.

use crate::plugin::CallState;
use crate::plugin::bindings::cnsp::adapter::config;

impl config::Host for CallState {
    fn get(&mut self, name: String) -> Option<String> {
        self.scope.config.get(&name).cloned()
    }
}
