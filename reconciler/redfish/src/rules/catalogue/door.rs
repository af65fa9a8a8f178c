// SPDX-License-Identifier: AGPL-3.0-or-later
//! Getting in and out.

macro_rules! door {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// The service root names nothing before a login. Sessions are opened where the
    /// specification puts them then.
    ///
    /// Cisco CIMC (check_redfish #148).
    RootMayBeBareBeforeALogin "root_may_be_bare_before_a_login", every, "wire/session.rs", Scenario;
    /// A root that names its systems and no sessions has none: a login there is answered 401,
    /// which would look like a wrong password.
    ///
    /// sushy-tools.
    NoLoginWhereNoneIsOffered "no_login_where_none_is_offered", every, "wire/session.rs", Scenario;
    /// A login is answered 404, 405 or 501 where there are no sessions: Basic is used.
    ///
    /// sushy `auth.py`; older firmware.
    BasicWhereThereAreNoSessions "basic_where_there_are_no_sessions", every, "wire/login.rs", Scenario;
    /// The answer to a login may lack `Location`; the body names the session then.
    ///
    /// sushy `sessionservice.py`.
    SessionMayBeNamedInTheBody "session_may_be_named_in_the_body", every, "wire/session.rs", Scenario;
    /// Sessions end early. One that ended is opened once more and the request is sent again.
    ///
    /// Dell iDRAC8; sushy `connector.py`.
    EndedSessionsAreOpenedOnceMore "ended_sessions_are_opened_once_more", every, "wire/client.rs", Scenario;
    /// BMCs lock accounts: credentials that were rejected are never sent again.
    ///
    /// Dell, HPE and Lenovo lock after three to five failures.
    RejectedCredentialsAreNotTriedAgain "rejected_credentials_are_not_tried_again", every, "wire/login.rs", Scenario;
    /// A BMC has few sessions, about eight on iDRAC, so one is used and always ended.
    ///
    /// sushy; check_redfish #89, #90, #198; gofish #75; theforeman #895.
    SessionsAreAlwaysEnded "sessions_are_always_ended", every, "wire/client.rs", Scenario;
    /// A login without the domain of the account is refused like one with a wrong password.
    ///
    /// Huawei 2288H V5, iBMC 6.41 (public field notes): `Oem.Huawei.Domain` is `LocaliBMC`.
    HuaweiLoginsNameADomain "huawei_logins_name_a_domain", every, "wire/login.rs", Scenario;
    /// Too many sessions are answered 503, like a busy BMC, and need another remedy.
    ///
    /// Dell iDRAC `RAC0218`; sushy.
    FullSessionsAreNamed "full_sessions_are_named", every, "rules/messages.rs", Scenario;

    } $($more)* } };
}
