// SPDX-License-Identifier: AGPL-3.0-or-later
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    shoal_fuzz_properties::inventory(input);
});
