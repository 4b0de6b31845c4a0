"""MQTT: address and TLS, connection, outbox, publisher, listener, embedded broker."""
