/// What a medium is sent as; each has a method of the Bot API.
public enum MediaKind: String, Sendable, CaseIterable {
    case photo, video, audio, document, animation
}
