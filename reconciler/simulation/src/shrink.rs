// SPDX-License-Identifier: AGPL-3.0-or-later
//! Makes a failing run smaller: which of its events does it take?

/// The places of a list of `count` that are still needed for `fails`, in their order. No single one of them can be
/// left out, and as few as greedy halving finds (ddmin: Zeller, Hildebrandt 2002).
///
/// `fails` is asked of ever smaller parts, and never of the whole list.
pub fn shrink(count: usize, mut fails: impl FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..count).collect();
    let mut step = kept.len().div_ceil(2);
    while step > 0 {
        let mut from = 0;
        let mut less = false;
        while from < kept.len() {
            let without: Vec<usize> = kept
                .iter()
                .enumerate()
                .filter(|(place, _)| *place < from || *place >= from + step)
                .map(|(_, event)| *event)
                .collect();
            if fails(&without) {
                kept = without;
                less = true;
            } else {
                from += step;
            }
        }
        // Once more at the same size where something went: it may have held back something else.
        if step > 1 || !less {
            step /= 2;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::shrink;

    #[test]
    fn what_a_failure_does_not_need_is_left_out() {
        let mut asked = 0;
        let kept = shrink(19, |part| {
            asked += 1;
            part.contains(&3) && part.contains(&17)
        });
        assert_eq!(kept, [3, 17]);
        assert!(asked < 60, "{asked}");
    }

    #[test]
    fn what_fails_by_itself_needs_no_event() {
        assert!(shrink(5, |_| true).is_empty());
    }

    #[test]
    fn what_holds_something_else_back_goes_at_last() {
        // 4 alone fails, and 1 goes only once 2 is gone.
        let kept = shrink(6, |part| part.contains(&4) && (part.contains(&1) || !part.contains(&2)));
        assert_eq!(kept, [4]);
    }

    #[test]
    fn an_empty_list_is_as_small_as_it_gets() {
        assert!(shrink(0, |_| unreachable!("there is no part")).is_empty());
    }
}
