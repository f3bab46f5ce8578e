#![no_main]

use cnsp::fuzz::Http;
use std::sync::LazyLock;

static HOST: LazyLock<Http> = LazyLock::new(|| {
    // `make fuzz` names a folder that it deletes.
    let data = std::env::temp_dir().join(format!("cnsp-fuzz-{}", std::process::id()));
    Http::start(&data)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| HOST.exchange(bytes));
