//! Stopped at every write, and run again: the same end, and nothing twice.

use std::fs;

use super::{
    super::{Answer, COMMITS, Error, Step},
    DAYS, LAKE, NORTH, World, files, north_id,
};
use crate::{
    party::InstitutionId,
    store::{Sequence, stop},
    transfer::TransferId,
};

/// What must be the same however often it was stopped: entries in both books, commits, what came.
#[derive(Debug, PartialEq, Eq)]
struct End {
    books: Vec<u64>,
    commits: Vec<Vec<u64>>,
    received: Vec<(String, Vec<u8>)>,
    kept: usize,
    statuses: Vec<Vec<Step>>,
}

/// Tells the whole story; the act during which write `number` falls is stopped there and run again.
/// Returns how it ended, and whether anything was stopped.
fn story(number: u64) -> (End, bool) {
    let world = World::new(2);
    let lake = InstitutionId::parse(LAKE).unwrap();
    let who = [north_id(0), north_id(1)];
    let mut stopped = false;
    let transfers = std::cell::RefCell::new(Vec::<TransferId>::new());
    let offer = || {
        world.at(NORTH, DAYS[1], |clerk| {
            clerk.offer(&lake, &who, None)?;
            clerk.run()
        })
    };
    let run = |place, now| world.at(place, now, |clerk| clerk.run());
    let answer = || {
        let desk = world.path(NORTH).join("exchange/desk");
        let mut ids: Vec<String> = fs::read_dir(desk)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        ids.sort();
        *transfers.borrow_mut() = ids.iter().map(|id| TransferId::parse(id).unwrap()).collect();
        for id in transfers.borrow().iter() {
            world.answer(id, Answer::Accept, DAYS[1]);
        }
    };
    let acts: [&dyn Fn() -> Result<(), Error>; 7] = [
        &|| offer().map(|_| ()),
        &|| run(LAKE, DAYS[1]).map(|_| ()),
        &|| run(NORTH, DAYS[1]).map(|_| ()),
        &|| {
            answer();
            Ok(())
        },
        &|| run(NORTH, DAYS[2]).map(|_| ()),
        &|| run(LAKE, DAYS[2]).map(|_| ()),
        &|| run(NORTH, DAYS[3]).map(|_| ()),
    ];
    let mut left = number;
    for (at, act) in acts.iter().enumerate() {
        if at == 3 || stopped {
            act().unwrap();
            continue;
        }
        stop::after(left);
        let result = act();
        left = stop::left();
        stopped = stop::never();
        // Where a partner's exchange fails that is told, and no error.
        if stopped {
            act().unwrap();
        } else {
            result.unwrap();
        }
    }
    (end(&world), stopped)
}

fn end(world: &World) -> End {
    let mut end = End {
        books: Vec::new(),
        commits: Vec::new(),
        received: Vec::new(),
        kept: 0,
        statuses: Vec::new(),
    };
    for place in [NORTH, LAKE] {
        let site = world.site(place, DAYS[4]);
        end.books.push(site.book_size().unwrap());
        end.commits.push(Sequence::new(&site.vault(), COMMITS).numbers().unwrap());
        end.kept += site.vault().list("transfers/content").unwrap().len();
        end.kept += site.vault().list("transfers/sealed").unwrap().len();
        world
            .at(place, DAYS[4], |clerk| {
                let rows = clerk.status(false)?.transfers;
                end.statuses.push(rows.into_iter().map(|row| row.step).collect());
                Ok(())
            })
            .unwrap();
    }
    let received = world.path(LAKE).join("received");
    for file in files(&received).into_iter().filter(|file| file.ends_with("Observation.ndjson")) {
        end.received.push((String::new(), fs::read(&file).unwrap()));
    }
    end.received.sort();
    end
}

#[test]
fn stopped_at_every_write_it_ends_as_if_it_was_not_and_nothing_is_there_twice() {
    let (expected, stopped) = story(u64::MAX);
    assert!(!stopped);
    assert_eq!(expected.statuses, [[Step::Received; 2], [Step::Received; 2]]);
    assert_eq!((expected.received.len(), expected.kept), (2, 0));
    let mut stops = 0;
    for number in 0.. {
        let (found, stopped) = story(number);
        if !stopped {
            break;
        }
        stops += 1;
        assert_eq!(found, expected, "stopped at write {number}, it went on to another end");
    }
    println!("{stops} runs were stopped, each at another write");
    assert!(stops > 10, "the story writes more than that");
}
