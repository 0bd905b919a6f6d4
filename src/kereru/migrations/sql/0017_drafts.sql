-- What a person set for the screens of all devices: windows (R33, R34), quiet hours. Nothing in the database depends on it, so it is one document.
ALTER TABLE end_user ADD COLUMN desk jsonb NOT NULL DEFAULT '{}';

-- What the owner of a conversation has begun to write in it, on whichever device; it goes with the conversation.
ALTER TABLE conversation ADD COLUMN draft text NOT NULL DEFAULT '';
