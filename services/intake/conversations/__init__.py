"""Conversations: the one question in SMS, WhatsApp, chatbots and voicebots, a turn at a time."""
