"""Where live samples come from: paced player, MQTT, TCP, pipe."""
