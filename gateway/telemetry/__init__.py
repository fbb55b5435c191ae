"""Traces for whoever collects them by OpenTelemetry; nothing here is imported while nobody does."""
