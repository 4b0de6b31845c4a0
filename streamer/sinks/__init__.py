"""Where events go: MQTT, JSON lines, WFDB annotation files, the monitor."""
