using System.ClientModel.Primitives;
using System.Text.Json;
using System.Text.Json.Nodes;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.ResourceManager;

/// <summary>
/// Calls below a Media Services account by the pipeline of an <see cref="ArmClient"/>: what the generated package did,
/// with JSON in place of its models. Long-running calls are followed by Azure.Core, from nothing but a token.
/// </summary>
sealed class MediaAccount(ArmClient client, ResourceIdentifier id) : ArmResource(client, id)
{
    private const string AccountVersion = "2021-11-01";
    private const string Version = "2022-08-01";

    public int Followed { get; private set; }

    public Task<JsonNode> Get(string path = "") => Call(RequestMethod.Get, path, null);

    public Task<JsonNode> Put(string path, object body) => Call(RequestMethod.Put, path, body);

    public Task<JsonNode> Post(string path, object? body = null) => Call(RequestMethod.Post, path, body);

    public Task Delete(string path) => Call(RequestMethod.Delete, path, null);

    private async Task<JsonNode> Call(RequestMethod method, string path, object? body)
    {
        using HttpMessage message = Pipeline.CreateMessage();
        message.Request.Method = method;
        message.Request.Uri.Reset(Endpoint);
        message.Request.Uri.AppendPath(Id.ToString() + path, false);
        message.Request.Uri.AppendQuery("api-version", path == "" ? AccountVersion : Version, true);
        message.Request.Headers.Add("Accept", "application/json");
        if (body is not null)
        {
            message.Request.Headers.Add("Content-Type", "application/json");
            message.Request.Content = RequestContent.Create(JsonSerializer.SerializeToUtf8Bytes(body));
        }
        await Pipeline.SendAsync(message, CancellationToken.None);
        Response response = message.Response;
        if (response.IsError) throw new RequestFailedException(response);
        if (response.Headers.TryGetValue("Azure-AsyncOperation", out string? status))
        {
            response = await Follow(message, status);
        }
        BinaryData content = response.Content;
        return content.ToMemory().IsEmpty ? new JsonObject() : JsonNode.Parse(content)!;
    }

    private async Task<Response> Follow(HttpMessage begun, string status)
    {
        begun.Response.Headers.TryGetValue("Location", out string? location);
        JsonObject state = new()
        {
            ["version"] = "1.0.0",
            ["id"] = Guid.NewGuid().ToString(),
            ["headerSource"] = "AzureAsyncOperation",
            ["nextRequestUri"] = status,
            ["initialUri"] = begun.Request.Uri.ToString(),
            ["requestMethod"] = begun.Request.Method.ToString(),
            ["lastKnownLocation"] = location,
            ["finalStateVia"] = begun.Request.Method == RequestMethod.Put ? "OriginalUri" : "Location",
        };
        RehydrationToken token = ModelReaderWriter.Read<RehydrationToken>(BinaryData.FromString(state.ToJsonString()));
        Operation operation = await Operation.RehydrateAsync(Pipeline, token, new ArmClientOptions());
        Followed += 1;
        return await operation.WaitForCompletionResponseAsync(TimeSpan.FromMilliseconds(50), CancellationToken.None);
    }
}
