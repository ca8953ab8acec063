namespace Outbox.Transport;

/// <summary>AMQP topic patterns: words joined by dots, <c>*</c> for one word, <c>#</c> for any number of them.</summary>
internal static class TopicPattern
{
    public static bool Matches(string pattern, string routingKey) => pattern == routingKey || Matches(pattern.Split('.'), routingKey.Split('.'));

    private static bool Matches(ReadOnlySpan<string> pattern, ReadOnlySpan<string> words)
    {
        if (pattern.IsEmpty)
            return words.IsEmpty;
        if (pattern[0] == "#")
            return Matches(pattern[1..], words) || (!words.IsEmpty && Matches(pattern, words[1..]));
        return !words.IsEmpty && (pattern[0] == "*" || pattern[0] == words[0]) && Matches(pattern[1..], words[1..]);
    }
}
