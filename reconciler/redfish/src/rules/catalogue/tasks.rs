// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happens behind a 202.

macro_rules! tasks {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// 202 is no end: the task tells, and its messages name a cause.
    ///
    /// xFusion, Huawei, Lenovo XCC3; sushy `taskmonitor.py`.
    TasksAreFollowed "tasks_are_followed", every, "wire/task.rs", Scenario;
    /// A monitor is `/TaskMonitors/9` or `/Tasks/9/Monitor`, and may not be there at all; the
    /// task itself is.
    ///
    /// sushy `connector.py`; bootwright's fixture of an xFusion 2288H V7.
    TaskMonitorsHaveManySpellings "task_monitors_have_many_spellings", every, "wire/task.rs", Scenario;
    /// The task itself is answered 5xx while it runs. The resource that it is about decides.
    ///
    /// RFC 9110 on 503; sushy `connector.py`, which repeats reads that are answered so.
    FailingTasksAreStillRunning "failing_tasks_are_still_running", every, "wire/task.rs", Scenario;
    /// A task that is gone is neither done nor failed: the resource decides.
    ///
    /// Dell iDRAC before 5.00 purges tasks after a minute (Ironic release notes).
    VanishedTasksAreUnknown "vanished_tasks_are_unknown", every, "wire/task.rs", Scenario;

    } $($more)* } };
}
