namespace Outbox.Consumers;

/// <summary>Divides a batch into calls of its handlers: as few as can be, and never a message of a key before an earlier one (G3).</summary>
internal static class BatchGroups
{
    /// <param name="messages">The messages, those of one key in their order.</param>
    /// <param name="keepOrder">Whether keys matter.</param>
    public static IReadOnlyList<IReadOnlyList<ReadableMessage>> Of(IReadOnlyList<ReadableMessage> messages, bool keepOrder)
    {
        var groups = new List<List<ReadableMessage>>();
        var places = new Dictionary<MessageHandlerInvoker, List<int>>();
        var lastOfKey = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var message in messages)
        {
            var key = keepOrder ? message.Incoming.PartitionKey : null;
            var earliest = key is null ? 0 : lastOfKey.GetValueOrDefault(key);
            var place = message.Handler.TakesMany ? PlaceFor(message.Handler, earliest) : -1;
            if (place < 0)
            {
                place = groups.Count;
                groups.Add([]);
                if (message.Handler.TakesMany)
                    places[message.Handler].Add(place);
            }
            groups[place].Add(message);
            if (key is not null)
                lastOfKey[key] = place;
        }
        return groups;

        // The first group of the handler that does not come before the key's last message.
        int PlaceFor(MessageHandlerInvoker handler, int earliest)
        {
            if (!places.TryGetValue(handler, out var own))
                places.Add(handler, own = []);
            var index = own.BinarySearch(earliest);
            index = index < 0 ? ~index : index;
            return index < own.Count ? own[index] : -1;
        }
    }
}
