//! The imports of `wasi:random`. What may be predictable is as unpredictable as the rest.

use crate::limits::fixed;
use crate::plugin::CallState;
use crate::plugin::bindings::wasi::random::{insecure, insecure_seed, random};

const RANDOM_BYTES_MAX: u64 = fixed::RANDOM_BYTES.max as u64;

impl random::Host for CallState {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        if len > RANDOM_BYTES_MAX {
            wasmtime::bail!(
                "asked for {len} random bytes; one call gives at most {RANDOM_BYTES_MAX}"
            );
        }
        let mut bytes = vec![0; usize::try_from(len)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl CallState {
    /// Inside an operation, what is random is the same in each of its runs.
    fn fill(&mut self, bytes: &mut [u8]) -> wasmtime::Result<()> {
        match &mut self.operation {
            Some(operation) => operation.steps.random(bytes),
            None => getrandom::fill(bytes)?,
        }
        Ok(())
    }
}

impl insecure::Host for CallState {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        random::Host::get_random_bytes(self, len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        random::Host::get_random_u64(self)
    }
}

impl insecure_seed::Host for CallState {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((random::Host::get_random_u64(self)?, random::Host::get_random_u64(self)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use std::sync::Arc;

    #[test]
    fn bytes_come_as_asked_up_to_the_limit() {
        let mut state = CallState::for_test(Arc::new(MemoryStore::default()), false);
        let most = random::Host::get_random_bytes(&mut state, RANDOM_BYTES_MAX).unwrap();
        assert_eq!(most.len() as u64, RANDOM_BYTES_MAX);
        assert_ne!(
            most,
            insecure::Host::get_insecure_random_bytes(&mut state, RANDOM_BYTES_MAX).unwrap()
        );
        for asked in [RANDOM_BYTES_MAX + 1, u64::MAX] {
            assert!(random::Host::get_random_bytes(&mut state, asked).is_err());
            assert!(insecure::Host::get_insecure_random_bytes(&mut state, asked).is_err());
        }
    }
}
