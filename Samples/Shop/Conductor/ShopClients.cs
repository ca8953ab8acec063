using System.Net.Http.Json;
using Shop.Orders;
using Shop.Stock;

namespace Shop.Conductor;

/// <summary>Customers at their browsers: they place orders over HTTP, and ask again when they get no answer.</summary>
internal sealed class ShopClients(RunOptions options, Uri address)
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);

    private int _taken;
    private int _placed;
    private int _repeated;

    /// <summary>Orders that Orders has answered for.</summary>
    public int Placed => Volatile.Read(ref _placed);

    /// <summary>Orders that were sent once more although they had been placed.</summary>
    public int Repeated => Volatile.Read(ref _repeated);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(20) };
        await Task.WhenAll(Enumerable.Range(0, options.Clients).Select(_ => RunClientAsync(http, cancellationToken)));
    }

    private async Task RunClientAsync(HttpClient http, CancellationToken cancellationToken)
    {
        while (Interlocked.Increment(ref _taken) <= options.Orders)
        {
            var order = new PlaceOrder(
                OrderId: Guid.CreateVersion7(),
                CustomerId: $"customer-{Random.Shared.Next(options.Customers) + 1:000}",
                Sku: StockCatalogue.Skus[Random.Shared.Next(StockCatalogue.Skus.Count)],
                Quantity: Random.Shared.Next(1, 6),
                Cents: Random.Shared.Next(100, 20_000));
            await PlaceAsync(http, order, cancellationToken);
            // One reply in a hundred is taken for lost on its way. The client cannot know, so it sends the same order again.
            if (Random.Shared.Next(100) == 0)
            {
                await PlaceAsync(http, order, cancellationToken);
                Interlocked.Increment(ref _repeated);
            }
            Interlocked.Increment(ref _placed);
        }
    }

    /// <summary>Sends an order until it is answered. The id is the client's own, so however often it arrives, it is one order.</summary>
    private async Task PlaceAsync(HttpClient http, PlaceOrder order, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(options.Timeout);
        while (true)
        {
            string error;
            try
            {
                using var response = await http.PostAsJsonAsync("/orders", order, limit.Token);
                if (response.IsSuccessStatusCode)
                    return;
                error = $"HTTP {(int)response.StatusCode}";
            }
            catch (Exception exception) when (exception is HttpRequestException || (exception is OperationCanceledException && !limit.IsCancellationRequested))
            {
                error = exception.Message;
            }
            await Task.Delay(RetryDelay, limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            if (limit.IsCancellationRequested)
                throw new RunFailedException($"An order could not be placed within {options.Timeout.TotalSeconds:0} s: {error}");
        }
    }
}
