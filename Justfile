# SPDX-License-Identifier: AGPL-3.0-or-later
# `./run RECIPE` sees to packages and to just itself, then comes here.

set shell := ["bash", "-euo", "pipefail", "-c"]

deny_version := "0.20.2"
fuzz_version := "0.13.2"
tarpaulin_version := "0.37.5"
mutants_version := "27.1.0"
export SHOAL_REQUIRE_TOOLS := "1"
# The system's OpenSSL: to build the one that releases come with takes as long as all the rest.
export OPENSSL_NO_VENDOR := "1"
# Property tests draw the same cases on every run; `just properties` draws others.
export PROPTEST_RNG_SEED := env("PROPTEST_RNG_SEED", "1")

# Lists the recipes.
default:
    @just --list --unsorted

# Eight emulated servers, a controller, a push: watch it work. `--fast` leaves the pauses out.
demo *ARGS:
    cargo build --quiet -p shoal -p shoal-testbed -p xtask
    target/debug/xtask demo {{ ARGS }}

# Everything that must hold before a change lands.
test: fmt-check lint docs licences gen-check unit sim-check e2e

# Everything at once, so that no package is built again for another selection of them.
_built:
    cargo build --quiet --workspace --all-targets

# Every test. Uses nextest where it is installed.
unit *ARGS: _built
    if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace --no-fail-fast {{ ARGS }}; else cargo test --workspace --all-targets {{ ARGS }}; fi

# Property tests with cases of their own in each round; the seed of a round that fails is the last one printed.
properties ROUNDS="10":
    for round in $(seq {{ ROUNDS }}); do \
        export PROPTEST_RNG_SEED=$(od -An -N4 -tu4 /dev/urandom | tr -d ' '); echo "PROPTEST_RNG_SEED=$PROPTEST_RNG_SEED" >&2; \
        cargo nextest run --workspace --no-fail-fast --status-level fail -E 'not (package(shoal-controller) | package(shoal) | package(~testbed))'; \
    done

# The DMTF's validators over every emulated BMC. SCHEMAS is a directory of CSDL files; without it they are fetched.
validate-redfish SCHEMAS="":
    schemas=$(testbed/redfish-schemas.sh "{{ SCHEMAS }}" target/redfish-schemas); \
        SHOAL_REDFISH_SCHEMAS="$schemas" cargo test --quiet -p shoal-testbed --test validators -- --nocapture

# Formats the code.
fmt:
    cargo fmt --all

fmt-check:
    cargo fmt --all --check

# Clippy without warnings.
lint:
    cargo clippy --quiet --workspace --all-targets -- -D warnings

# The documentation without warnings.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --document-private-items

# Bans, licences and sources of dependencies. The advisory database needs the network: `just advisories`.
licences: _deny
    cargo deny --log-level error check bans licenses sources

advisories: _deny
    cargo deny check advisories

_deny:
    if ! cargo deny --version >/dev/null 2>&1; then echo "installing cargo-deny into .tools" >&2; cargo install --quiet --locked --debug --root .tools cargo-deny --version {{ deny_version }}; fi

# How many lines the tests reach; `just coverage -p shoal-core` of one package. The report goes to target/coverage.
coverage *ARGS="--workspace":
    if ! cargo tarpaulin --version >/dev/null 2>&1; then echo "installing cargo-tarpaulin into .tools" >&2; cargo install --quiet --locked --debug --root .tools cargo-tarpaulin --version {{ tarpaulin_version }}; fi
    mkdir -p target/coverage
    cargo tarpaulin --engine llvm --profile plain --skip-clean --target-dir target/coverage --no-fail-fast --timeout 1800 --out stdout --out json --output-dir target/coverage {{ ARGS }}

# What no test would notice: changes one thing after the other in a package, and runs its tests. Hours; --shard K/N for a part.
mutants PACKAGE="shoal-core" *ARGS:
    if ! cargo mutants --version >/dev/null 2>&1; then echo "installing cargo-mutants into .tools" >&2; cargo install --quiet --locked --debug --root .tools cargo-mutants --version {{ mutants_version }}; fi
    if cargo nextest --version >/dev/null 2>&1; then \
        cargo mutants --profile plain --test-tool nextest --output target -p {{ PACKAGE }} {{ ARGS }} -- --max-fail=1:immediate; \
    else cargo mutants --profile plain --output target -p {{ PACKAGE }} {{ ARGS }}; fi

# Every fuzz target for so many seconds, with a nightly toolchain. What it finds is kept in fuzz/artifacts.
fuzz SECONDS="60": _fuzz
    for target in $(cargo fuzz list); do \
        mkdir -p target/fuzz/found/$target; \
        cargo +nightly fuzz run --target-dir target/fuzz $target target/fuzz/found/$target fuzz/corpus/$target \
            -- -max_total_time={{ SECONDS }} -max_len=8192 -timeout=10; \
    done

_fuzz:
    if ! cargo +nightly --version >/dev/null 2>&1; then echo "error: no nightly toolchain; install one: rustup toolchain install nightly" >&2; exit 1; fi
    if ! cargo fuzz --version >/dev/null 2>&1; then echo "installing cargo-fuzz into .tools" >&2; cargo install --quiet --locked --root .tools cargo-fuzz --version {{ fuzz_version }}; fi

# Writes every generated file: schemas, references, OpenAPI.
gen:
    cargo run --quiet -p xtask -- gen

# Fails where a generated file is not what the code says.
gen-check: _built
    target/debug/xtask gen --check

# A QEMU machine, a controller, a push: watch Debian being installed, with the console in view. As root.
demo-vm *ARGS: machines
    cargo build --quiet -p shoal -p shoal-testbed-qemu -p xtask
    target/debug/xtask demo-vm {{ ARGS }}

# What machines in QEMU boot and install: maintenance OS and images, in target/machines. As root.
machines:
    RUSTFLAGS="-C target-feature=+crt-static -C strip=symbols" cargo build --quiet --target x86_64-unknown-linux-gnu -p shoal-dispatcher -p shoal-steps
    testbed/machines/artifacts.sh {{ emulated }}/shoal-dispatcher {{ emulated }}/shoal-steps target/machines

static := "target/x86_64-unknown-linux-gnu/release"
# What emulated machines run is built like all that is tested, with every assertion.
emulated := "target/x86_64-unknown-linux-gnu/debug"

# Machines in QEMU from a push to their first boot: as many as fit into a run of the tests. As root.
e2e: machines _built
    if cargo nextest --version >/dev/null 2>&1; then SHOAL_REQUIRE_E2E=1 cargo nextest run --workspace --no-fail-fast -E 'package(shoal-testbed-machines) and not ({{ longest }})'; else SHOAL_REQUIRE_E2E=1 cargo test -p shoal-testbed-machines -- --test-threads 2; fi

# Several installs or attempts each, or as long as that, and variants of what is run.
longest := "test(an_image_of_a_whole_disk) | test(a_disc_and_a_usb_stick) | test(an_image_that_cannot_be_had) | test(power_cuts_while_partitioning) | test(after_a_power_cut_in_the_bootloader) | test(a_lost_webhook_is_repeated) | test(a_machine_that_was_kept) | test(a_whole_disk_that_was_cut_short) | test(what_a_disk_cannot_hold_or_boot) | test(a_seed_that_has_no_place) | test(a_version_bump_waits)"

# The controller in simulated worlds, one per seed, in which everything goes wrong; `--story SEED` tells one of them.
sim *ARGS="100":
    cargo run --quiet -p shoal-simulation -- {{ ARGS }}

# Every event at every place of a job's life, and every planted mistake found.
sim-check: _built
    target/debug/shoal-simulation 10000 --table
    target/debug/shoal-simulation 10000 --planted

# The real controller killed at random, in so many runs with emulated servers; SHOAL_SEED=N makes one again.
crash RUNS="200":
    SHOAL_CRASHES={{ RUNS }} cargo test --quiet --workspace --test crash at_random -- --nocapture --test-threads 4

# All of them, those of the testbed's own included.
e2e-full: machines
    cargo build --quiet -p shoal -p shoal-testbed-qemu
    SHOAL_REQUIRE_E2E=1 cargo nextest run -p shoal-testbed-machines -p shoal-testbed-qemu --no-fail-fast

# The steps beside what people write by hand, on one machine in QEMU: imaging, and the whole job. As root.
bench-machines: machines _dispatcher
    cargo build --quiet -p shoal -p shoal-testbed-qemu -p xtask
    mkdir -p target/machines-bench
    maintenance-os/build.sh --fast --overlay testbed/machines/bench --dispatcher {{ static }}/shoal-dispatcher \
        --steps {{ static }}/shoal-steps --output target/machines-bench/maintenance.iso
    ln -f target/machines/*.tar.zst target/machines-bench/
    SHOAL_MACHINES="$PWD/target/machines-bench" target/debug/xtask demo-vm --no-colour | tee target/machines-bench/log

# Ten thousand servers beside check-jsonschema, ajv-cli and xorriso: load and plan, one change, status, idle, task media,
# reports of machines, 200 jobs at once. Tables in Markdown, medians of five; takes half an hour.
bench *ARGS: _peers
    cargo build --release --quiet -p shoal -p shoal-testbed -p shoal-bench
    target/release/shoal-bench fleet {{ ARGS }}
    target/release/shoal-bench iso
    target/release/shoal-bench webhooks
    target/release/shoal-bench jobs

# The registry beside docker-registry and nginx, medians as a table; on a tmpfs the disk bounds nothing.
# Needs Debian's docker-registry and nginx-light, which start services where they are installed.
bench-registry DIR *ARGS:
    cargo build --release --quiet -p shoal -p shoal-bench
    target/release/shoal-bench registry --dir {{ DIR }} {{ ARGS }}

# Sweeps of emulated BMCs by a controller, beside sushy and curl, and the Redfish calls of a job.
bench-sweep *ARGS: _sushy
    cargo build --release --quiet -p shoal -p shoal-testbed -p shoal-bench
    target/release/shoal-bench sweep --changed {{ ARGS }}
    target/release/shoal-bench job

_peers:
    if ! target/bench-python/bin/check-jsonschema --version >/dev/null 2>&1; then \
        if ! target/bench-python/bin/python -c '' 2>/dev/null; then python3 -m venv --clear target/bench-python; fi; \
        target/bench-python/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r bench/peers/check-jsonschema.txt; fi
    if [ ! -x target/bench-node/node_modules/.bin/ajv ]; then \
        mkdir -p target/bench-node; cp bench/peers/package.json bench/peers/package-lock.json target/bench-node/; \
        npm ci --silent --ignore-scripts --no-audit --no-fund --prefix target/bench-node; fi

_sushy:
    if ! target/bench-python/bin/python -c 'import sushy' 2>/dev/null; then \
        python3 -m venv --clear target/bench-python; \
        target/bench-python/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r bench/sushy/sushy.txt; fi

_dispatcher:
    env -u OPENSSL_NO_VENDOR RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --quiet --target x86_64-unknown-linux-gnu -p shoal-dispatcher -p shoal-steps

# The static binaries, as released.
release:
    env -u OPENSSL_NO_VENDOR RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --target x86_64-unknown-linux-gnu -p shoal -p shoal-dispatcher -p shoal-steps
    ls -l {{ static }}/shoal {{ static }}/shoal-dispatcher {{ static }}/shoal-steps

# Boots the maintenance OS alone in QEMU, and checks what it says of itself. As root.
e2e-maintenance-os: machines
    maintenance-os/test.sh target/machines/maintenance.iso
