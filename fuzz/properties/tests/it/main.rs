// SPDX-License-Identifier: AGPL-3.0-or-later
//! The properties over the corpus and over seeded mutations of it: the same inputs every time.

mod mutate;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use mutate::Mutator;

/// How many mutations of a corpus are tried. Each is one of the one before, if that was taken.
const MUTATIONS: usize = 6_000;
/// As many where one input costs whole milliseconds.
const FEWER: usize = 1_500;

/// Runs a property over a target's corpus and its mutations. Both answers must come up, else the
/// mutations are too wild or too tame to show anything.
fn run(target: &str, property: fn(&[u8]) -> bool) {
    run_some(MUTATIONS, target, property);
}

fn run_some(mutations: usize, target: &str, property: fn(&[u8]) -> bool) {
    let corpus = corpus(target);
    let mut taken = 0;
    for input in &corpus {
        taken += usize::from(holds(property, input));
    }
    assert!(taken * 3 >= corpus.len(), "{target}: of {} files only {taken} are taken", corpus.len());
    let (mut mutator, mut taken) = (Mutator::new(target), 0);
    let mut input = corpus[0].clone();
    for _ in 0..mutations {
        let accepted = holds(property, &input);
        taken += usize::from(accepted);
        // What is refused leads nowhere: begin again from a file.
        let from = if accepted { input } else { mutator.pick(&corpus).clone() };
        input = mutator.next(&from, &corpus);
    }
    assert!(taken > 20 && taken < mutations, "{target}: {taken} of {mutations} mutations are taken");
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

#[test]
fn what_an_inventory_says_is_told_with_its_place_and_what_it_takes_leads_to_a_plan() {
    run_some(FEWER, "inventory", shoal_fuzz_properties::inventory);
}

#[test]
fn recipes_that_the_schema_takes_are_recipes() {
    run("recipe", shoal_fuzz_properties::recipe);
}

#[test]
fn what_machines_send_is_bounded_and_refused_in_words() {
    run("webhook", shoal_fuzz_properties::webhook);
}

#[test]
fn nothing_opens_but_what_was_minted() {
    run_some(FEWER, "capability", shoal_fuzz_properties::capability);
}

#[test]
fn volumes_cost_a_bounded_amount_and_ours_are_read_back() {
    run("iso_reader", shoal_fuzz_properties::iso_reader);
}

#[test]
fn a_plan_is_what_its_id_says_or_it_is_refused() {
    run("plan", shoal_fuzz_properties::plan);
}

#[test]
fn rows_are_written_as_they_were_read() {
    run("store_rows", shoal_fuzz_properties::store_rows);
}

#[test]
fn an_export_is_taken_whole_and_comes_out_again_or_leaves_nothing() {
    run("store_export", shoal_fuzz_properties::store_export);
}
