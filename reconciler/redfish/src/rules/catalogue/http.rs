// SPDX-License-Identifier: AGPL-3.0-or-later
//! HTTP as BMCs speak it.

macro_rules! http {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// BMCs answer wrongly, or not at all, when they are asked in parallel.
    ///
    /// sushy; Dell iDRAC8; measured on emulators.
    OneRequestAtATime "one_request_at_a_time", every, "wire/link.rs", Scenario;
    /// Idle connections are dropped without notice. They are reused for two seconds only, and
    /// reads that break off are repeated.
    ///
    /// sushy `connector.py`.
    BrokenReadsAreRepeated "broken_reads_are_repeated", every, "wire/link.rs", Scenario;
    /// A connection is dead without a word after an answer, and a login that broke off is not repeated:
    /// a session may have come about. So each login opens a connection of its own.
    ///
    /// sushy `connector.py`, on BMCs that drop keep-alive connections.
    LoginsTakeAFreshConnection "logins_take_a_fresh_connection", every, "wire/link.rs", Scenario;
    /// A proxy's 403 looks like the BMC's, so none of the environment is used.
    ///
    /// bootwright.
    NoProxyOfTheEnvironment "no_proxy_of_the_environment", every, "wire/exchange.rs", Scenario;
    /// Some redirect a path to the same path with a slash at its end.
    ///
    /// HPE iLO4 (fakefish calls `curl -L`).
    RedirectsOnTheSameHostAreFollowed "redirects_on_the_same_host_are_followed", every, "wire/exchange.rs", Scenario;
    /// A redirect leads back to where it came from. Three are followed.
    ///
    /// No BMC is known to; who answers under a BMC's address may be anybody.
    RedirectsMustEnd "redirects_must_end", every, "wire/exchange.rs", Scenario;
    /// A redirect leads to another host, which would be sent the token of our session.
    ///
    /// No BMC is known to; RFC 9110 leaves it to the client.
    RedirectsToOtherHostsAreRefused "redirects_to_other_hosts_are_refused", every, "wire/exchange.rs", Scenario;
    /// An answer has no end. What is longer than any resource is not read on.
    ///
    /// No BMC is known to; the largest resource in the recordings has 100 kB.
    EndlessAnswersAreCutOff "endless_answers_are_cut_off", every, "wire/exchange.rs", Scenario;
    /// An answer comes a byte at a time, so that no single read takes long. The whole exchange has a limit.
    ///
    /// No BMC is known to; who answers under a BMC's address may be anybody.
    SlowAnswersAreGivenUp "slow_answers_are_given_up", every, "wire/exchange.rs", Scenario;
    /// Compression turns ETags weak, and some services then refuse the weak form.
    ///
    /// sushy `connector.py`.
    AnswersAreAskedForUncompressed "answers_are_asked_for_uncompressed", every, "wire/link.rs", Scenario;
    /// Some resources are sent compressed only and answer 406 otherwise.
    ///
    /// HPE Gen10 and newer; sushy release notes.
    CompressedWhereNothingElseIsSent "compressed_where_nothing_else_is_sent", every, "wire/link.rs", Scenario;
    /// An ETag stands in the header, in the body, or is an empty text.
    ///
    /// sushy `connector.py` and release notes.
    EtagsMayStandInTheBody "etags_may_stand_in_the_body", every, "wire/exchange.rs", Scenario;
    /// `If-Match` is refused with the weak form, with any form, or with none. Malformed ones
    /// are sent back as they came.
    ///
    /// sushy `connector._etag_handler`; Dell iDRAC10 sends `W/"'gen-1'"` (Dell #324).
    EtagsAreTriedInSeveralForms "etags_are_tried_in_several_forms", every, "wire/etag.rs", Scenario;
    /// ETags stay although the resource changed. A read is conditional only after its ETag was
    /// seen to change with each part that matters, and never again after it failed to.
    ///
    /// sushy release notes; Dell iDRAC and AMI MegaRAC (`@odata.etag` of the time of start).
    EtagsMustProveThemselves "etags_must_prove_themselves", every, "operate/memory.rs", Scenario;
    /// 429 and 503 pass by themselves.
    ///
    /// sushy `connector.py`.
    BusyAnswersAreRepeated "busy_answers_are_repeated", every, "wire/retry.rs", Scenario;
    /// A BMC that says when to come back is not asked before.
    ///
    /// RFC 9110; sushy `connector.py`.
    RetryAfterIsHonoured "retry_after_is_honoured", every, "wire/retry.rs", Scenario;
    /// Messages come as a list or an object, at the top or below `error`, with or without a code.
    ///
    /// sushy release notes; sushy's NVIDIA branch; xFusion.
    MessagesComeInAnyShape "messages_come_in_any_shape", every, "wire/message.rs", Scenario;

    } $($more)* } };
}
