//! The import `operation`: which operation a call is part of.

use crate::plugin::CallState;
use crate::plugin::bindings::cnsp::adapter::operation;

impl operation::Host for CallState {
    fn id(&mut self) -> Option<String> {
        self.operation.as_ref().map(|operation| operation.id.clone())
    }

    fn attempt(&mut self) -> u32 {
        self.operation.as_ref().map_or(1, |operation| operation.steps.attempt())
    }

    fn token(&mut self) -> Option<String> {
        self.operation.as_ref().and_then(|operation| operation.token.clone())
    }
}
