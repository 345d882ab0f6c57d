//! Feeds libFuzzer's bytes to the oracle of the same name.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| host_fuzz::audit_log::check(data));
