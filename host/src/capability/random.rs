//! The import `wasi:random/random`.

use crate::plugin::CallState;
use crate::plugin::bindings::wasi::random::random;

/// The most bytes that one request for randomness may ask for.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

impl random::Host for CallState {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        if len > RANDOM_BYTES_MAX {
            wasmtime::bail!(
                "asked for {len} random bytes; one call gives at most {RANDOM_BYTES_MAX}"
            );
        }
        let mut bytes = vec![0; usize::try_from(len)?];
        getrandom::fill(&mut bytes)?;
        Ok(bytes)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(getrandom::u64()?)
    }
}
