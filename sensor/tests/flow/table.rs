//! The connection table against a plain map.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use portreeve::flow::key::{Direction, FlowKey, Transport};
use portreeve::flow::table::{Entry, SlotId, Table};
use proptest::prelude::*;

const CAPACITY: usize = 8;

#[derive(Debug)]
struct Item {
    key: FlowKey,
    age: u64,
}

impl Entry for Item {
    fn key(&self) -> &FlowKey {
        &self.key
    }

    fn worth(&self) -> (u8, u64) {
        (0, self.age)
    }
}

fn key(number: u8) -> FlowKey {
    let addr = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    FlowKey { orig_h: addr(1), resp_h: addr(2), orig_p: u16::from(number), resp_p: 111, transport: Transport::Udp }
}

proptest! {
    #[test]
    fn it_holds_what_was_put_in_and_the_oldest_gives_way(
        steps in proptest::collection::vec((0u8..20, any::<bool>()), 1..200),
    ) {
        let mut table: Table<Item> = Table::new(CAPACITY, 7);
        let mut model: HashMap<u8, (SlotId, u64)> = HashMap::new();
        for (age, (number, remove)) in steps.into_iter().enumerate() {
            let age = age as u64;
            let (key, back) = (key(number), key(number).reverse());
            let known = model.get(&number).map(|&(id, _)| id);
            prop_assert_eq!(table.find(&key), known.map(|id| (id, Direction::FromOrig)));
            prop_assert_eq!(table.find(&back), known.map(|id| (id, Direction::FromResp)));
            match known {
                Some(id) if remove => {
                    prop_assert_eq!(table.remove(id), Some(key));
                    model.remove(&number);
                }
                Some(_) => {}
                None => {
                    if let Some(victim) = table.victim() {
                        prop_assert_eq!(model.len(), CAPACITY);
                        let oldest = model.iter().min_by_key(|(_, (_, age))| *age).map(|(&n, &(id, _))| (n, id));
                        prop_assert_eq!(oldest.map(|(_, id)| id), Some(victim));
                        table.remove(victim);
                        oldest.map(|(n, _)| model.remove(&n));
                    }
                    let id = table.insert(Item { key, age });
                    prop_assert!(id.is_some());
                    model.extend(id.map(|id| (number, (id, age))));
                }
            }
            prop_assert_eq!(table.len(), model.len());
        }
    }
}
