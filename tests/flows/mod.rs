
mod readme;
