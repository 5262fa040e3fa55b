"""The tracing agents of Node.js and Java: which versions, where they are kept, and what is in one."""
