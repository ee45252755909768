//! Floor 0: the words everyone uses. No I/O, no other floor.

pub mod allowed_hosts;
pub mod clock;
pub mod code;
pub mod entropy;
pub mod error;
pub mod lines;
pub mod loopback;
pub mod owner;
pub mod paging;
pub mod pasted;
pub mod patch;
pub mod plain_text;
pub mod queues;
pub mod request_id;
pub mod secret;
pub mod stored;
pub mod template;
pub mod text_template;
