// SPDX-License-Identifier: AGPL-3.0-or-later
//! The properties over the corpus and over seeded mutations of it: the same inputs every time.

mod mutate;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use mutate::Mutator;

/// How many mutations of a corpus are tried. Each is one of the one before, if that was taken.
const MUTATIONS: usize = 6_000;

/// Runs a property over a target's corpus and its mutations. Both answers must come up, else the
/// mutations are too wild or too tame to show anything.
fn run(target: &str, property: fn(&[u8]) -> bool) {
    let corpus = corpus(target);
    let mut taken = 0;
    for input in &corpus {
        taken += usize::from(holds(property, input));
    }
    assert!(taken * 3 >= corpus.len(), "{target}: of {} files only {taken} are taken", corpus.len());
    let (mut mutator, mut taken) = (Mutator::new(target), 0);
    let mut input = corpus[0].clone();
    for _ in 0..MUTATIONS {
        let accepted = holds(property, &input);
        taken += usize::from(accepted);
        // What is refused leads nowhere: begin again from a file.
        let from = if accepted { input } else { mutator.pick(&corpus).clone() };
        input = mutator.next(&from, &corpus);
    }
    assert!(taken > 20 && taken < MUTATIONS, "{target}: {taken} of {MUTATIONS} mutations are taken");
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("a file of the corpus").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no files", directory.display());
    files.iter().map(|path| fs::read(path).expect("a file of the corpus")).collect()
}

fn holds(property: fn(&[u8]) -> bool, input: &[u8]) -> bool {
    catch_unwind(|| property(input))
        .unwrap_or_else(|_| panic!("it does not hold for b\"{}\"", input.escape_ascii()))
}

#[test]
fn names_hold_to_the_specification_and_are_written_as_they_were_read() {
    run("oci_names", shoal_fuzz_properties::oci_names);
}

#[test]
fn digests_are_written_as_they_were_read_and_do_not_depend_on_cuts() {
    run("oci_digests", shoal_fuzz_properties::oci_digests);
}

#[test]
fn ranges_stay_within_their_content() {
    run("ranges", shoal_fuzz_properties::ranges);
}

#[test]
fn manifests_name_what_their_document_names() {
    run("manifests", shoal_fuzz_properties::manifests);
}

#[test]
fn resources_of_a_bmc_lead_nowhere_else() {
    run("redfish_resources", shoal_fuzz_properties::redfish_resources);
}

#[test]
fn refusals_of_a_bmc_are_told_in_one_line_and_without_secrets() {
    run("redfish_errors", shoal_fuzz_properties::redfish_errors);
}

#[test]
fn tasks_of_a_bmc_are_looked_for_on_it() {
    run("redfish_tasks", shoal_fuzz_properties::redfish_tasks);
}

#[test]
fn addresses_of_images_show_no_capability() {
    run("redfish_links", shoal_fuzz_properties::redfish_links);
}
