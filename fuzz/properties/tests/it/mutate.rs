// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mutations from a seed: a small part of what a fuzzer does, on the usual toolchain.

/// What is put in: bytes that mean something to one of the parsers.
const WORDS: [&str; 48] = [
    "/",
    ":",
    "@",
    "-",
    "--",
    "__",
    "_",
    ".",
    "..",
    "0",
    "9",
    "18446744073709551615",
    "18446744073709551616",
    "bytes=",
    ",",
    "sha256:",
    "sha512:",
    "null",
    "{}",
    "[]",
    "\"",
    "\\u0000",
    "\u{e4}",
    "\n",
    " ",
    "-1",
    "1.0",
    "\"urls\":[\"u\"],",
    "\"config\":",
    "\"manifests\":",
    "\"c4n4ry\"",
    "true",
    "24.10",
    ": ",
    "\n- ",
    "\n  ",
    "\t",
    "\r\n",
    "\u{feff}",
    "\u{202e}",
    "---\n",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "${server.name}",
    "servers/",
    "-- servers/x.yaml --\n",
];

/// A source of mutations: the same for the same seed.
pub(crate) struct Mutator(u64);

impl Mutator {
    pub(crate) fn new(seed: &str) -> Self {
        // FNV-1a, so that each target has its own sequence.
        Self(
            seed.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            }),
        )
    }

    /// SplitMix64.
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    /// One of them.
    pub(crate) fn pick<'a>(&mut self, corpus: &'a [Vec<u8>]) -> &'a Vec<u8> {
        &corpus[self.below(corpus.len())]
    }

    /// The input with one to three changes.
    pub(crate) fn next(&mut self, input: &[u8], corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut output = input.to_vec();
        for _ in 0..=self.below(3) {
            self.change(&mut output, corpus);
        }
        output.truncate(12_000);
        output
    }

    fn change(&mut self, output: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(output.len() + 1);
        let end = (at + self.below(8)).min(output.len());
        match self.below(7) {
            0 if at < output.len() => output[at] ^= 1 << self.below(8),
            1 => output.insert(at, self.number() as u8),
            2 => drop(output.drain(at..end)),
            3 => {
                let part = output[at..end].to_vec();
                output.splice(at..at, part);
            }
            4 => {
                let other = self.pick(corpus).clone();
                let from = self.below(other.len());
                output.truncate(at);
                output.extend(&other[from..]);
            }
            5 if at < output.len() && output[at].is_ascii_digit() => output[at] = b'0' + self.below(10) as u8,
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                output.splice(at..at, word.bytes());
            }
        }
    }
}
