// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sessions, Basic authentication, lockout.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use subtle::ConstantTimeEq;

use super::errors::Refusal;
use super::instance::{Bmc, Locked};
use super::log::{AuthKind, Event};
use super::profiles::SessionIds;
use super::state::Session;

/// A session as its maker gets it.
pub(crate) struct NewSession {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Bmc {
    /// Who sends these headers. Refreshes the session that is used.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> AuthKind {
        let mut locked = self.lock();
        self.expire_sessions(&mut locked);
        if let Some(token) = headers.get("x-auth-token") {
            let elapsed = self.shared.clock.elapsed();
            let same = |session: &&mut Session| bool::from(session.token.as_bytes().ct_eq(token.as_bytes()));
            return match locked.state.sessions.iter_mut().find(same) {
                Some(session) => {
                    session.last_used = elapsed;
                    AuthKind::Session
                }
                None => AuthKind::Refused,
            };
        }
        match headers.get(http::header::AUTHORIZATION) {
            None => AuthKind::None,
            Some(value) => match value.to_str().ok().and_then(basic) {
                Some((user, password)) if self.admits(&mut locked, &user, &password) => AuthKind::Basic,
                _ => AuthKind::Refused,
            },
        }
    }

    /// Opens a session.
    pub(crate) fn open_session(
        &self,
        user: &str,
        password: &str,
        exhausted: bool,
    ) -> Result<NewSession, Refusal> {
        let model = &self.config.profile.sessions;
        let mut locked = self.lock();
        self.expire_sessions(&mut locked);
        if !self.admits(&mut locked, user, password) {
            return Err(Refusal::LoginFailed);
        }
        if exhausted || locked.state.sessions.len() >= model.max {
            return Err(Refusal::SessionLimit);
        }
        let count = locked.state.sessions_made;
        locked.state.sessions_made += 1;
        locked.state.counters.sessions += 1;
        let id = match model.ids {
            SessionIds::Counter(first) => (first + count).to_string(),
            SessionIds::Random(length) => self.random_hex("session id", count, length),
            SessionIds::UserHex => format!("{user}{}", self.random_hex("session id", count, 24)),
        };
        let token = self.random_hex("session token", count, 32);
        let last_used = self.shared.clock.elapsed();
        locked.state.sessions.push(Session { id: id.clone(), token: token.clone(), last_used });
        locked.event(Event::SessionOpened { id: id.clone() });
        Ok(NewSession { id, token })
    }

    /// Closes a session; false when there is none of that id.
    pub(crate) fn close_session(&self, id: &str) -> bool {
        let mut locked = self.lock();
        let Some(index) = locked.state.sessions.iter().position(|session| session.id == id) else {
            return false;
        };
        locked.state.sessions.remove(index);
        locked.state.counters.sessions_closed += 1;
        locked.event(Event::SessionClosed { id: id.to_owned(), expired: false });
        true
    }

    /// Forgets the session that these headers belong to, as a BMC does that lost its mind.
    pub(crate) fn forget_session(&self, headers: &HeaderMap) {
        let Some(token) = headers.get("x-auth-token") else { return };
        let mut locked = self.lock();
        let found =
            locked.state.sessions.iter().position(|session| session.token.as_bytes() == token.as_bytes());
        if let Some(index) = found {
            let id = locked.state.sessions.remove(index).id;
            locked.event(Event::SessionClosed { id, expired: true });
        }
    }

    fn expire_sessions(&self, locked: &mut Locked<'_>) {
        let elapsed = self.shared.clock.elapsed();
        let timeout = self.config.profile.sessions.timeout;
        let idle = |session: &Session| elapsed.saturating_sub(session.last_used) >= timeout;
        while let Some(index) = locked.state.sessions.iter().position(idle) {
            let id = locked.state.sessions.remove(index).id;
            locked.event(Event::SessionClosed { id, expired: true });
        }
    }

    fn admits(&self, locked: &mut Locked<'_>, user: &str, password: &str) -> bool {
        let elapsed = self.shared.clock.elapsed();
        let credentials = &self.config.credentials;
        // The password comes first: the time taken tells nothing about the user name.
        let right = credentials.password.is(password) && credentials.user == user;
        let is_locked = locked.state.locked_until.is_some_and(|until| elapsed < until);
        if right && !is_locked {
            locked.state.failed_logins = 0;
            locked.state.locked_until = None;
            return true;
        }
        locked.state.counters.logins_refused += 1;
        if let (Some((threshold, duration)), false) = (self.config.profile.lockout, is_locked) {
            locked.state.failed_logins += 1;
            if locked.state.failed_logins >= threshold {
                locked.state.failed_logins = 0;
                locked.state.locked_until = Some(elapsed + duration);
            }
        }
        false
    }
}

fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::basic;

    #[test]
    fn basic_credentials_are_read_or_refused() {
        assert_eq!(basic("Basic cm9vdDpwYTpzcw=="), Some(("root".to_owned(), "pa:ss".to_owned())));
        for bad in ["Basic", "Bearer cm9vdDpwYXNz", "Basic !!!", "Basic cm9vdA==", "Basic /w=="] {
            assert_eq!(basic(bad), None, "{bad}");
        }
    }
}
