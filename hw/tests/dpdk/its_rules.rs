//! Rules as the test's own driver takes them: in this program DPDK's calls for rules end here, in place of a driver, since
//! the virtual ones of 22.11 take none. It takes all but what it is to refuse, and writes down what it was asked for and
//! when the port was set up, started and stopped in between. Everything above those calls is the real thing.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute_copy;
use std::ptr;
use std::sync::Mutex;

use dpdk_sys as ffi;

/// What a driver is asked for. Rules are numbered as they were created, from 0, in all of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Isolate(bool),
    Configure,
    Start,
    Create(usize),
    /// A rule of another priority than 0, to create: not written down, to be refused alone.
    Prioritize,
    /// The same to validate.
    ValidatePriority,
    Destroy(usize),
    Query(usize),
    Flush,
    Stop,
}

/// What a refusal says.
pub(crate) const WORDS: &CStr = c"no room in the table";

/// What a rule has counted by its driver.
pub(crate) const fn counted(rule: usize) -> (u64, u64) {
    (3 + rule as u64, 1_000 + rule as u64)
}

struct Script {
    refused: Vec<Call>,
    asked: Vec<Call>,
    created: usize,
}

/// Nothing until a test begins: then DPDK's own functions are called.
static SCRIPT: Mutex<Option<Script>> = Mutex::new(None);

/// From here on calls end here; of them `refused` are refused.
pub(crate) fn begin(refused: &[Call]) {
    let script = Script { refused: refused.to_vec(), asked: Vec::new(), created: 0 };
    *SCRIPT.lock().unwrap() = Some(script);
}

/// From here on these are refused, and no others.
pub(crate) fn refuse(refused: &[Call]) {
    if let Some(script) = SCRIPT.lock().unwrap().as_mut() {
        script.refused = refused.to_vec();
    }
}

/// What was asked for since the last time, in order.
pub(crate) fn asked() -> Vec<Call> {
    SCRIPT.lock().unwrap().as_mut().map(|script| std::mem::take(&mut script.asked)).unwrap()
}

/// Writes a call down, and says whether it is granted; nothing where no test has begun.
fn granted(call: Call) -> Option<bool> {
    let mut script = SCRIPT.lock().unwrap();
    let script = script.as_mut()?;
    script.asked.push(call);
    Some(!script.refused.contains(&call))
}

/// A rule to create gets its number, and its handle if it is granted.
fn create(priority: u32, error: *mut ffi::rte_flow_error) -> Option<*mut ffi::rte_flow> {
    let (number, knows_it) = SCRIPT.lock().unwrap().as_mut().map(|script| {
        script.created += 1;
        (script.created - 1, priority == 0 || !script.refused.contains(&Call::Prioritize))
    })?;
    let made = answer(granted(Call::Create(number))?, error) == 0
        && answer_of_priority(knows_it, error) == 0;
    Some(if made { handle(number) } else { ptr::null_mut() })
}

/// A rule's number and its handle, which no one looks behind.
fn handle(number: usize) -> *mut ffi::rte_flow {
    ptr::without_provenance_mut(number + 1)
}

fn number(handle: *mut ffi::rte_flow) -> usize {
    handle.addr() - 1
}

/// Fills in why, as a driver does.
fn answer(granted: bool, error: *mut ffi::rte_flow_error) -> c_int {
    if granted {
        return 0;
    }
    // SAFETY: whoever calls has a whole one to write to.
    let error = unsafe { &mut *error };
    error.type_ = ffi::rte_flow_error_type::RTE_FLOW_ERROR_TYPE_HANDLE;
    error.message = WORDS.as_ptr();
    -libc::ENOSPC
}

/// The same of what is about a rule's priority.
fn answer_of_priority(granted: bool, error: *mut ffi::rte_flow_error) -> c_int {
    let answer = answer(granted, error);
    if !granted {
        // SAFETY: the same.
        unsafe { (*error).type_ = ffi::rte_flow_error_type::RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY };
    }
    answer
}

/// DPDK's own function of this name.
///
/// # Safety
/// `F` is the type of that function.
pub(crate) unsafe fn own<F>(name: &CStr) -> F {
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null() && size_of::<F>() == size_of::<*mut c_void>(), "DPDK's own");
    // SAFETY: the caller vouches for the type.
    unsafe { transmute_copy(&found) }
}

/// Defines DPDK's function of a name anew in this program: what the test answers, or else its own.
macro_rules! in_place_of {
    ($name:ident ( $($arg:ident : $type:ty),* ) -> $result:ty, $answer:expr) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $type),*) -> $result {
            if let Some(answer) = $answer {
                return answer;
            }
            const NAME: &std::ffi::CStr = match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => unreachable!(),
            };
            // SAFETY: it is of the same shape, and what the caller vouches for goes along.
            unsafe { $crate::its_rules::own::<unsafe extern "C" fn($($type),*) -> $result>(NAME)($($arg),*) }
        }
    };
}
pub(crate) use in_place_of;

in_place_of!(rte_flow_validate(
    port: u16,
    attributes: *const ffi::rte_flow_attr,
    pattern: *const ffi::rte_flow_item,
    actions: *const ffi::rte_flow_action,
    error: *mut ffi::rte_flow_error
) -> c_int, SCRIPT.lock().unwrap().as_ref().map(|script| {
    // SAFETY: our layer hands over whole attributes.
    let priority = unsafe { (*attributes).priority };
    let granted = priority == 0 || !script.refused.contains(&Call::ValidatePriority);
    answer_of_priority(granted, error)
}));

in_place_of!(rte_flow_create(
    port: u16,
    attributes: *const ffi::rte_flow_attr,
    pattern: *const ffi::rte_flow_item,
    actions: *const ffi::rte_flow_action,
    error: *mut ffi::rte_flow_error
) -> *mut ffi::rte_flow, {
    // SAFETY: our layer hands over whole attributes.
    let priority = unsafe { (*attributes).priority };
    create(priority, error)
});

in_place_of!(rte_flow_destroy(
    port: u16,
    rule: *mut ffi::rte_flow,
    error: *mut ffi::rte_flow_error
) -> c_int, granted(Call::Destroy(number(rule))).map(|granted| answer(granted, error)));

in_place_of!(rte_flow_flush(port: u16, error: *mut ffi::rte_flow_error) -> c_int,
    granted(Call::Flush).map(|granted| answer(granted, error)));

in_place_of!(rte_flow_query(
    port: u16,
    rule: *mut ffi::rte_flow,
    action: *const ffi::rte_flow_action,
    data: *mut c_void,
    error: *mut ffi::rte_flow_error
) -> c_int, granted(Call::Query(number(rule))).map(|granted| {
    let mut count = ffi::rte_flow_query_count::default();
    (count.hits, count.bytes) = counted(number(rule));
    if granted {
        // SAFETY: our layer asks by the action that counts, and has such a struct to write to.
        unsafe { data.cast::<ffi::rte_flow_query_count>().write(count) };
    }
    answer(granted, error)
}));

in_place_of!(rte_flow_isolate(port: u16, set: c_int, error: *mut ffi::rte_flow_error) -> c_int,
    granted(Call::Isolate(set != 0)).map(|granted| answer(granted, error)));

/// Writes down a step of the port's life, which is DPDK's own all the same.
fn noted<T>(call: Call) -> Option<T> {
    let _ = granted(call);
    None
}

in_place_of!(rte_eth_dev_configure(
    port: u16,
    rx_queues: u16,
    tx_queues: u16,
    conf: *const ffi::rte_eth_conf
) -> c_int, noted(Call::Configure));

in_place_of!(rte_eth_dev_start(port: u16) -> c_int, noted(Call::Start));

in_place_of!(rte_eth_dev_stop(port: u16) -> c_int, noted(Call::Stop));
