mod openapi;
mod story;
